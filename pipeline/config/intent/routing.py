"""Whom to tell: receivers, routes by severity and owner, quiet hours, the dead man's switch.

receivers:
  on-call: {kind: pagerduty, routing_key_file: /etc/alertmanager/pagerduty.key}
  desk: {kind: slack, api_url_file: /etc/alertmanager/slack.url, channel: "#integrations"}
  hook: {kind: webhook, url: "https://hooks.example/seamwatch"}        # or url_file
  post: {kind: email, to: ops@example.org, from: seamwatch@example.org, smarthost: "mail.example.org:587"}
  nobody: {kind: none}
routes: {page: on-call, ticket: desk}
owners: {acme-crew: post}             # of services, and of workarounds that have expired
dead_man: hook                        # hears of Prometheus that all is well; complains when it hears nothing
alive: pulse                          # the same of the workers, without Prometheus
quiet_hours: {from: "20:00", until: "07:00", days: [mon, tue, wed, thu, fri], zone: Europe/Vienna}
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.config.intent.thresholds import place
from pipeline.config.yamlfile import Section
from pipeline.intent import QuietHours, Receiver, Severity
from pipeline.observation import MAX_NAME

NOBODY: Final = "nobody"
"""A receiver that is always there, and tells nobody."""
NONE: Final = "none"
SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "pagerduty": ("routing_key_file", "url"),
    "slack": ("api_url_file", "channel"),
    "webhook": ("url", "url_file", "token_file"),
    "email": ("to", "from", "smarthost", "username", "password_file"),
    NONE: (),
}
"""By kind of receiver. Secrets stand in files, whose names these are."""
NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "pagerduty": ("routing_key_file",),
    "slack": ("api_url_file", "channel"),
    "webhook": (),
    "email": ("to", "from", "smarthost"),
    NONE: (),
}
SECRETS: Final = {
    "routing_key": "routing_key_file",
    "service_key": "routing_key_file",
    "api_url": "api_url_file",
    "password": "password_file",
    "token": "token_file",
}
ROUTED: Final = (Severity.PAGE, Severity.TICKET)
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00"
WHOLE_DAY_MIN: Final = 24 * 60
_TIME: Final = re.compile(TIME)


def receivers(root: Section) -> tuple[Receiver, ...]:
    """In the order of the file."""
    section = root.section("receivers")
    if section is None:
        return ()
    found = []
    for name in section:
        one = section.section(name)
        if one is None:
            if section.node[name] is None:
                section.fault(name, f"receiver {name!r} is empty", "give it a kind, such as {kind: none}")
            continue
        kind = one.choice("kind", tuple(SETTINGS))
        if "kind" not in one.node or one.node["kind"] is None:
            one.fault("kind", f"receiver {name!r} has no kind", f"choose one of {', '.join(SETTINGS)}")
        if kind is None:
            continue
        if len(name) > MAX_NAME:
            section.fault(name, f"the name of a receiver is {name!r}", f"at most {MAX_NAME} characters")
        if name == NOBODY and kind != NONE:
            one.fault("kind", f"{NOBODY!r} is {kind}", f"{NOBODY!r} tells nobody; choose another name")
        found.append(Receiver(name, kind, _settings(one, kind, name), place(section, name)))
    return tuple(found)


def _settings(one: Section, kind: str, name: str) -> dict[str, str]:
    secret = [key for key in one.node if key in SECRETS]
    for key in secret:
        one.fault(key, f"{key} of {name!r} is a secret", f"put it into a file, and write {SECRETS[key]}")
    one.only(("kind", *SETTINGS[kind], *secret))
    found = {key: value for key in SETTINGS[kind] if (value := one.text(key, longest=1_024)) is not None}
    for key in NEEDED[kind]:
        if one.node.get(key) is None:
            one.fault(key, f"receiver {name!r} has no {key}", f"a receiver of kind {kind} needs it")
    if kind == "webhook" and ("url" in one.node) == ("url_file" in one.node):
        one.fault("url", f"webhook {name!r} has {'two urls' if 'url' in found else 'no url'}", "give url or url_file")
    if "url" in found:
        _url(one, found["url"])
    if kind == "email" and ("username" in one.node) != ("password_file" in one.node):
        one.fault("username", f"email {name!r} has half of a login", "give username and password_file, or neither")
    if kind == "email" and "smarthost" in found and re.fullmatch(r"[^\s:]+:[0-9]{1,5}", found["smarthost"]) is None:
        one.fault("smarthost", f"smarthost is {found['smarthost']!r}", "write host:port")
    return found


def _url(one: Section, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        parts, usable = None, False
    if parts is None or not usable or any(character.isspace() for character in url):
        one.fault("url", f"url is {url!r}", "write http:// or https://, a host and a path")
    elif "@" in parts.netloc:
        one.fault("url", "url holds a secret", "put the token into a file, and write token_file")


def routes(root: Section) -> dict[str, str]:
    """Receivers by severity."""
    section = root.section("routes")
    if section is None:
        return {}
    if "log" in section.node:
        section.fault("log", "log has a route", "what is only logged is told nobody; remove it")
    section.only((*ROUTED, "log"))
    found = {severity: section.text(severity, longest=MAX_NAME) for severity in ROUTED if severity in section.node}
    return {str(severity): name for severity, name in found.items() if name is not None}


def quiet_hours(root: Section) -> QuietHours | None:
    section = root.section("quiet_hours")
    if section is None:
        return None
    section.only(("from", "until", "days", "zone", "for"))
    held = section.lines("for")
    for severity, line in held.items():
        if severity != Severity.TICKET:
            section.fault_at(line, f"quiet hours for {severity!r}", "pages are never held back; it can be ticket alone")
    begin, end = _minute(section, "from"), _minute(section, "until")
    days = _days(section)
    zone = section.text("zone", "UTC", longest=64) or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        section.fault("zone", f"zone is {zone!r}", "give a time zone of the IANA database, such as Europe/Vienna")
    if begin is None or end is None:
        return None
    if begin in (end, WHOLE_DAY_MIN) or end == 0:
        section.fault("until", "quiet hours that begin when they end", 'a whole day is from "00:00" until "24:00"')
        return None
    if begin == 0 and end == WHOLE_DAY_MIN and len(days) == len(DAYS):
        section.fault("days", "quiet hours all week", "tickets would never be told; leave some hours or days")
    return QuietHours(begin, end, days, zone)


def _minute(section: Section, key: str) -> int | None:
    value = section.node.get(key)
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        section.fault(key, f"{key} is {value!r}", 'write a time of the day in quotes, such as "20:00"')
        return None
    return int(value[:2]) * 60 + int(value[3:])


def _days(section: Section) -> tuple[int, ...]:
    """On which they begin."""
    if "days" not in section.node:
        return tuple(range(len(DAYS)))
    named = section.lines("days")
    for day, line in named.items():
        if day not in DAYS:
            section.fault_at(line, f"days names {day!r}", f"known are {', '.join(DAYS)}")
    return tuple(number for number, day in enumerate(DAYS) if day in named)
