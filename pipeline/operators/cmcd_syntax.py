"""The syntax of CMCD: a dictionary of RFC 8941, a line an event, and the two other coats that version 1 wears.

One expression takes a whole member, so that a line costs one call: a third of the time that a library takes which reads
every structured field (http-sfv; `python -m tests.bench.adapters`), and which gives up a line for one bad member. What
the expression does not take is looked at member by member: a bad one costs that member alone.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from pipeline.operators.jsontext import UnusableRecordError, read_object

MOST_MEMBERS: Final = 512
LONGEST_LINE: Final = 32 * 1024
"""Characters; the longest of the field hold a URL or two."""
MOST_LINES: Final = 10_000

_KEY: Final = r"([A-Za-z*][\w.*-]{0,127}+)"
_QUOTED: Final = r'"(?:[^"\\]|\\["\\])*+"'
_VALUE: Final = (
    r"(-?\d{1,19}+(?![.\d]))"  # integer
    rf"|({_QUOTED})"
    r"|(-?\d{1,15}+\.\d{1,6}+(?!\d))"  # decimal
    r"|([A-Za-z*][\w!#$%&'*+.^`|~:/-]*+)"  # token
    r"|\?([01])"
    rf"|(\((?:[^()\"]|{_QUOTED})*+\))"  # inner list
)
# Nothing may follow on a member but its parameters, which say nothing here, and the next comma. How often anything may
# repeat is bounded: the expression is tried at every character of a line that it does not take.
_PARAMETERS: Final = rf"(?:;[ \t]{{0,4}}+[a-z*][\w.*-]{{0,64}}+(?:=(?:{_QUOTED}|[^,;\"()\s]{{1,128}}+))?){{0,8}}+"
_MEMBER: Final = re.compile(rf"([ \t]{{0,4}}+{_KEY}(?:=(?:{_VALUE}))?{_PARAMETERS}[ \t]{{0,4}}+(?:,|$))", re.ASCII)
_ITEM: Final = re.compile(rf"({_QUOTED})|([^\s()]++)")
_PIECES: Final = re.compile(rf"(?:[^,\"()]|{_QUOTED}|\((?:[^()\"]|{_QUOTED})*+\)|[\"()])++")
_INTEGER: Final = re.compile(r"-?\d{1,19}", re.ASCII)
_DECIMAL: Final = re.compile(r"-?\d{1,15}\.\d{1,6}", re.ASCII)


class Members(NamedTuple):
    """text: the event as it came. values: integers, floats (decimals), booleans, text (strings and tokens), lists of
    those. bad: what is no member, as it stands there."""

    text: bytes
    values: dict[str, Any]
    bad: tuple[str, ...] = ()


def parse(line: str) -> Members:
    """The members of one line.

    Raises:
        UnusableRecordError: not one member of it can be read.
    """
    if len(line) > LONGEST_LINE:
        raise UnusableRecordError(reason="cmcd.syntax", detail=f"a line of more than {LONGEST_LINE} characters")
    values: dict[str, Any] = {}
    taken = 0
    for whole, key, integer, quoted, decimal, token, flag, inner in _MEMBER.findall(line):
        taken += len(whole)
        if integer:
            values[key] = int(integer)
        elif quoted:
            values[key] = _unquoted(quoted)
        elif token:
            values[key] = token
        elif inner:
            values[key] = _inner(inner)
        elif decimal:
            values[key] = float(decimal)
        else:
            # A key alone is a boolean that holds.
            values[key] = flag != "0"
    if taken == len(line) and values:
        return Members(line.encode(), values)
    return _piecemeal(line)


def lines_of(value: bytes) -> list[Members]:
    """The events of one record: lines; or one event as JSON, or percent-encoded as in a query.

    Raises:
        UnusableRecordError: it is none of them, or too long.
    """
    if value.lstrip()[:1] == b"{":
        document, _ = read_object(value)
        values = {key: said for key, said in document.items() if _is_item(said)}
        bad = [key for key in document if key not in values]
        if not values:
            raise UnusableRecordError(reason="cmcd.syntax", detail="an object without a key of CMCD")
        return [Members(value, values, tuple(bad))]
    at = value.find(b"CMCD=")
    if at >= 0 or (b"%3D" in value and b"=" not in value):
        value = unquote_to_bytes(value[at + 5 :].split(b"&", 1)[0] if at >= 0 else value)
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise UnusableRecordError(reason="utf8.invalid", detail=f"byte {error.start + 1} is not UTF-8") from error
    if text.count("\n") > MOST_LINES:
        raise UnusableRecordError(reason="record.too_many", detail=f"more than {MOST_LINES} lines")
    found = [parse(line) for line in text.split("\n") if line and not line.isspace()]
    if not found:
        raise UnusableRecordError(reason="cmcd.syntax", detail="empty")
    return found


def _piecemeal(line: str) -> Members:
    values: dict[str, Any] = {}
    bad: list[str] = []
    pieces = _PIECES.findall(line.rstrip("\r"))
    if len(pieces) > MOST_MEMBERS:
        raise UnusableRecordError(reason="cmcd.syntax", detail=f"more than {MOST_MEMBERS} members")
    for piece in pieces:
        stripped = piece.strip()
        if not stripped:
            continue
        found = _MEMBER.match(stripped)
        if found is None or found.end() != len(stripped):
            bad.append(stripped)
            continue
        values |= parse(stripped).values
    if not values:
        raise UnusableRecordError(reason="cmcd.syntax", detail=f"not a CMCD line: {line[:80]!r}")
    return Members(line.encode(), values, tuple(bad))


def _is_item(value: Any) -> bool:
    """What a member may hold: a bare item, or a list of such."""
    return isinstance(value, str | int | float) or (
        isinstance(value, list) and all(isinstance(item, str | int | float) for item in value)
    )


def _unquoted(text: str) -> str:
    text = text[1:-1]
    return text.replace('\\"', '"').replace("\\\\", "\\") if "\\" in text else text


def _inner(text: str) -> list[Any]:
    """Items of an inner list; what is said of them (`;v`, `;a`) is left out."""
    out: list[Any] = []
    if '"' not in text:
        for piece in text[1:-1].split(" "):
            item = piece.partition(";")[0]
            if item.isdigit() and len(item) < 20:
                out.append(int(item))
            elif item:
                out.append(_bare(item))
        return out
    for quoted, bare in _ITEM.findall(text):
        if quoted:
            out.append(_unquoted(quoted))
            continue
        item = bare.split(";", 1)[0]
        if item:
            out.append(_bare(item))
    return out


def _bare(item: str) -> Any:
    """An integer, a decimal, or a token."""
    if _INTEGER.fullmatch(item):
        return int(item)
    return float(item) if _DECIMAL.fullmatch(item) else item
