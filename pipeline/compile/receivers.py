"""Receivers as Alertmanager has them. What they say stands in the annotations that the route agent writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pipeline.intent import Receiver

Yaml: TypeAlias = dict[str, Any]

NOBODY: Final = "nobody"
"""Shows its alerts on Alertmanager's page and tells nobody."""

# Where a group has several alerts (the scope of an incident has changed) the one that fires. Alerts of Prometheus's
# rules have a summary and a description alone.
_PICK: Final = "{{ $one := index .Alerts 0 }}{{ range .Alerts.Firing }}{{ $one = . }}{{ end }}"
TITLE: Final = f"{_PICK}{{{{ with $one.Annotations }}}}{{{{ or .title .summary }}}}{{{{ end }}}}"
TEXT: Final = (
    f"{_PICK}{{{{ with $one.Annotations }}}}{{{{ or .text .description .summary }}}}"
    "{{ with .runbook_url }}\nRunbook: {{ . }}{{ end }}{{ with .link }}\n{{ . }}{{ end }}{{ end }}"
)
# In Slack & < > begin links and calls to everybody, and names come from devices.
_SLACK: Final = ' | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;"'
SLACK_TITLE: Final = TITLE.replace("or .title .summary", f"or .title .summary{_SLACK}")
SLACK_TEXT: Final = TEXT.replace("or .text .description .summary", f"or .text .description .summary{_SLACK}")
LINK: Final = f"{_PICK}{{{{ $one.Annotations.link }}}}"
STATE: Final = '{{ if eq .Status "resolved" }}resolved: {{ end }}'


def receivers(found: Sequence[Receiver]) -> list[Yaml]:
    """All of them, and the one that is always there."""
    made = [{"name": one.name, **_MAKERS[one.kind](one.settings)} for one in found]
    return made if any(one.name == NOBODY for one in found) else [*made, {"name": NOBODY}]


def _pagerduty(settings: Mapping[str, str]) -> Yaml:
    # Its key of deduplication follows from the group, which is the incident.
    config: Yaml = {
        "send_resolved": True,
        "routing_key_file": settings["routing_key_file"],
        "description": TITLE,
        "severity": '{{ if eq .CommonLabels.severity "page" }}critical{{ else }}warning{{ end }}',
        "details": {"text": TEXT, "services": "{{ .CommonLabels.service }}"},
    }
    if "url" in settings:
        config["url"] = settings["url"]
    return {"pagerduty_configs": [config]}


def _slack(settings: Mapping[str, str]) -> Yaml:
    config = {
        "send_resolved": True,
        "api_url_file": settings["api_url_file"],
        "channel": settings["channel"],
        "title": STATE + SLACK_TITLE,
        "title_link": LINK,
        "text": SLACK_TEXT,
        # Whatever else has a meaning in Slack has none in what is said here.
        "mrkdwn_in": ["pretext"],
    }
    return {"slack_configs": [config]}


def _webhook(settings: Mapping[str, str]) -> Yaml:
    config: Yaml = {"send_resolved": True}
    config |= {key: settings[key] for key in ("url", "url_file") if key in settings}
    if "token_file" in settings:
        config["http_config"] = {"authorization": {"credentials_file": settings["token_file"]}}
    return {"webhook_configs": [config]}


def _email(settings: Mapping[str, str]) -> Yaml:
    config: Yaml = {
        "send_resolved": True,
        "to": settings["to"],
        "from": settings["from"],
        "smarthost": settings["smarthost"],
        "headers": {"Subject": STATE + TITLE},
        "text": TEXT,
        "html": "",
    }
    if "username" in settings:
        config |= {"auth_username": settings["username"], "auth_password_file": settings["password_file"]}
    return {"email_configs": [config]}


def _none(settings: Mapping[str, str]) -> Yaml:
    del settings
    return {}


_MAKERS: Final[dict[str, Callable[[Mapping[str, str]], Yaml]]] = {
    "pagerduty": _pagerduty,
    "slack": _slack,
    "webhook": _webhook,
    "email": _email,
    "none": _none,
}
