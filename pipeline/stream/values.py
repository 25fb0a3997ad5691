"""Single settings, read from what a person wrote: text of the command line or environment, or a value of YAML.

Each reader takes either and raises ValueError with what is wrong, without saying where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from pipeline.operators import ADAPTERS
from pipeline.stream.secret import Secret
from pipeline.stream.security import MECHANISMS

STAGES: Final = ("ingest", "baseline", "pattern", "route")


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens or is reached."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(value: object) -> Address:
    text = str(value)
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) < 65_536:
        msg = f"{text!r} is no HOST:PORT"
        raise ValueError(msg)
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _brokers(value: object) -> tuple[Address, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    brokers = tuple(parse_address(str(part).strip()) for part in parts)
    if not brokers:
        msg = "no broker is named"
        raise ValueError(msg)
    return brokers


def _inputs(value: object) -> Mapping[str, str]:
    """A mapping, or TOPIC[=FORMAT] once or many times."""
    if isinstance(value, Mapping):
        pairs = [(str(topic), "canonical" if kind is None else str(kind)) for topic, kind in value.items()]
    else:
        parts = value if isinstance(value, list | tuple) else str(value).split(",")
        split = [str(part).strip().partition("=") for part in parts]
        pairs = [(topic, kind or "canonical") for topic, _, kind in split]
    for topic, kind in pairs:
        if not _is_topic(topic):
            msg = f"{topic!r} is no topic name (letters, digits, '.', '_' and '-', at most 249)"
            raise ValueError(msg)
        if kind not in ADAPTERS:
            close = get_close_matches(kind, ADAPTERS, n=1)
            hint = f"did you mean {close[0]!r}" if close else f"known are {', '.join(ADAPTERS)}"
            msg = f"unknown format {kind!r} of {topic}: {hint}"
            raise ValueError(msg)
    return dict(pairs)


def _is_topic(text: str) -> bool:
    return (
        0 < len(text) <= 249
        and text not in (".", "..")
        and all(c.isascii() and (c.isalnum() or c in "._-") for c in text)
    )


def _prefix(value: object) -> str:
    text = str(value)
    if not _is_topic(f"{text}x"):
        msg = f"{text!r} cannot begin a topic name (letters, digits, '.', '_' and '-')"
        raise ValueError(msg)
    return text


def _name(value: object) -> str:
    text = str(value)
    if not text or text != text.strip():
        msg = f"{text!r} is no name"
        raise ValueError(msg)
    return text


def _stages(value: object) -> tuple[str, ...]:
    parts = [str(part).strip() for part in (value if isinstance(value, list | tuple) else str(value).split(","))]
    for part in parts:
        if part not in STAGES:
            msg = f"unknown stage {part!r}: known are {', '.join(STAGES)}"
            raise ValueError(msg)
    return tuple(stage for stage in STAGES if stage in parts)


def _web(value: object) -> Address | None:
    return None if value is None or str(value) in ("", "off") else parse_address(value)


def _under(value: object) -> str:
    text = str(value).rstrip("/")
    if text and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", text):
        msg = f"{value!r} is no path; such as /seamwatch"
        raise ValueError(msg)
    return text


def _names(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(_name(str(part).strip()) for part in parts)


def _networks(value: object) -> tuple[str, ...]:
    parts = _names(value)
    for part in parts:
        try:
            ip_network(part, strict=False)
        except ValueError:
            msg = f"{part!r} is no address and no network; such as 10.0.0.5 or 10.0.0.0/24"
            raise ValueError(msg) from None
    return parts


def _header(value: object) -> str:
    text = str(value)
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text):
        msg = f"{value!r} is no name of a header; such as X-Forwarded-User"
        raise ValueError(msg)
    return text


def _url(value: object) -> str:
    text = str(value)
    if not text.startswith(("http://", "https://")):
        msg = f"{text!r} is no URL; such as http://127.0.0.1:9093"
        raise ValueError(msg)
    return text.rstrip("/")


def _urls(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    urls = tuple(_url(str(part).strip()) for part in parts)
    if not urls or len(set(urls)) < len(urls):
        msg = f"{value!r} names none, or one twice"
        raise ValueError(msg)
    return urls


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if isinstance(value, bool) or not 0.1 <= seconds <= 86_400:
        msg = f"{value!r} is no number of seconds from 0.1 to 86400"
        raise ValueError(msg)
    return seconds


def _records(value: object) -> int:
    text = str(value).replace("_", "")
    if isinstance(value, bool) or not text.isdigit() or int(text) > 1_000_000_000:
        msg = f"{value!r} is no number of records"
        raise ValueError(msg)
    return int(text)


def _switch(value: object) -> bool:
    known = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
    text = str(value).lower()
    if text not in known:
        msg = f"{value!r} is neither on nor off"
        raise ValueError(msg)
    return known[text]


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        msg = f"{value!r} is no name of a file"
        raise ValueError(msg)
    return Path(value)


def _mechanism(value: object) -> str:
    text = str(value).upper()
    if text not in MECHANISMS:
        msg = f"unknown mechanism {str(value)!r}: known are {', '.join(MECHANISMS)}"
        raise ValueError(msg)
    return text


def _secret(value: object) -> Secret:
    # What is wrong with it is said without it.
    if not isinstance(value, str) or not value:
        msg = "the secret is empty"
        raise ValueError(msg)
    return Secret(value)


READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "brokers": _brokers,
    "inputs": _inputs,
    "prefix": _prefix,
    "group": _name,
    "stages": _stages,
    "web": _web,
    "alertmanager": _urls,
    "alertmanager_ca": _path,
    "alertmanager_certificate": _path,
    "alertmanager_key": _path,
    "alertmanager_username": _name,
    "alertmanager_password_file": _path,
    "alertmanager_token_file": _path,
    "webhook": _url,
    "webhook_secret_file": _path,
    "webhook_ca": _path,
    "page_url": _url,
    "web_prefix": _under,
    "web_tokens_file": _path,
    "web_proxies": _networks,
    "web_user_header": _header,
    "web_actors": _names,
    "web_open": _switch,
    "web_hosts": _names,
    "idle_after_s": _seconds,
    "checkpoint_s": _seconds,
    "lookback": _records,
    "session_s": _seconds,
    "stall_s": _seconds,
    "tls": _switch,
    "tls_ca": _path,
    "tls_certificate": _path,
    "tls_key": _path,
    "tls_key_password_file": _path,
    "sasl_mechanism": _mechanism,
    "sasl_username": _name,
    "sasl_password_file": _path,
    "sasl_token_file": _path,
    "sasl_token_url": _url,
    "sasl_client_id": _name,
    "sasl_client_secret_file": _path,
    "sasl_scope": _name,
}
"""What may stand in worker.yaml, in a variable and on the command line."""

SECRET_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "tls_key_password": _secret,
    "sasl_password": _secret,
    "sasl_client_secret": _secret,
    "alertmanager_password": _secret,
    "webhook_secret": _secret,
}
"""What may stand in a variable only."""
