"""One JSON object out of bytes that anybody may have written: bounded in size, depth and time."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import numpy as np
import orjson

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
"""Nesting of objects and arrays, the record itself being the first."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_LONGEST_INTEGER: Final = 19
"""Digits of 2⁶³; what has more is read as a float, as orjson does, so that no text costs quadratic time."""

# Possessive: a text of nothing but escaped quotes is still read once.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


class UnusableRecordError(Exception):
    """A record that cannot be used.

    Attributes:
        reason: from the documented set. field: that it is about, if it is about one. detail: a sentence.
        operator: of the record, where it could be read.
    """

    def __init__(self, *, reason: str, detail: str, field: str | None = None, operator: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.field = field
        self.operator = operator


def read_object(value: bytes) -> tuple[dict[str, Any], bool]:
    """The object, and whether a key stood in it (or in an object within it) twice; the last one counts.

    A number beyond a double becomes infinity and a lone surrogate stays in its string: such a value is bad, but the
    record around it is still JSON.

    Raises:
        UnusableRecordError: the bytes are not one JSON object, or one over the limits.
    """
    if len(value) > MAX_BYTES:
        raise UnusableRecordError(reason="record.too_long", detail=f"longer than {MAX_BYTES} bytes")
    text = value.removeprefix(BYTE_ORDER_MARK)
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise UnusableRecordError(reason="json.too_deep", detail=f"nested deeper than {MAX_DEPTH}")
    repeated = False
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document, repeated = _read_exactly(text)
    else:
        # Every key has a colon of its own. Where there are more, they stand in strings, deeper, or by a repeated key.
        if isinstance(document, dict) and text.count(b":") > len(document):
            repeated = _read_exactly(text)[1]
    if not isinstance(document, dict):
        raise UnusableRecordError(reason="json.not_object", detail=f"{kind(document)}, not an object")
    return document, repeated


def read_document(value: bytes) -> Any:
    """Any JSON document, within the same limits on bytes and depth; of a key that stands twice the last one counts.

    Raises:
        UnusableRecordError: the bytes are not JSON, or over the limits.
    """
    text = value.removeprefix(BYTE_ORDER_MARK)
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise UnusableRecordError(reason="json.too_deep", detail=f"nested deeper than {MAX_DEPTH}")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _read_exactly(text)[0]


def kind(value: object) -> str:
    """What a JSON value is, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _read_exactly(text: bytes) -> tuple[Any, bool]:
    """The slow parser that tells repeated keys, and reads what orjson refuses though it is JSON.

    Raises:
        UnusableRecordError: it is not JSON.
    """
    repeated = False

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(pairs)
        repeated = repeated or len(made) < len(pairs)
        return made

    try:
        document = json.loads(
            text.decode(), object_pairs_hook=build, parse_int=_integer, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise UnusableRecordError(reason="utf8.invalid", detail=f"byte {error.start + 1} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise UnusableRecordError(
            reason="json.invalid", detail=f"not JSON: {error.msg} at character {error.pos + 1}"
        ) from error
    return document, repeated


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise UnusableRecordError(reason="json.invalid", detail=f"not JSON: {name} is no number")


def _depth(text: bytes) -> int:
    """How deep brackets stand within brackets, those in strings left out."""
    code = np.frombuffer(_STRING.sub(b"", text), dtype=np.uint8)
    opens = (code == ord("{")) | (code == ord("["))
    closes = (code == ord("}")) | (code == ord("]"))
    return int(np.cumsum(opens.astype(np.int32) - closes, dtype=np.int32).max(initial=0))
