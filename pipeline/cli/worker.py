"""`seamwatch worker`: the always-on stream processor."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pipeline.intent import ConfigurationError, default

_OPTIONS: Final = {
    "brokers": "brokers",
    "inputs": "input",
    "prefix": "prefix",
    "group": "group",
    "stages": "stages",
    "web": "web",
    "web_prefix": "web_prefix",
    "web_tokens_file": "web_tokens_file",
    "web_proxies": "web_proxies",
    "web_user_header": "web_user_header",
    "web_actors": "web_actors",
    "web_open": "web_open",
    "web_hosts": "web_hosts",
    "alertmanager": "alertmanager",
    "alertmanager_ca": "alertmanager_ca",
    "alertmanager_certificate": "alertmanager_certificate",
    "alertmanager_key": "alertmanager_key",
    "alertmanager_username": "alertmanager_username",
    "alertmanager_password_file": "alertmanager_password_file",
    "alertmanager_token_file": "alertmanager_token_file",
    "webhook": "webhook",
    "webhook_secret_file": "webhook_secret_file",
    "webhook_ca": "webhook_ca",
    "page_url": "page_url",
    "idle_after_s": "idle_after",
    "checkpoint_s": "checkpoint",
    "lookback": "lookback",
    "session_s": "session",
    "stall_s": "stall",
    "tls": "tls",
    "tls_ca": "tls_ca",
    "tls_certificate": "tls_certificate",
    "tls_key": "tls_key",
    "tls_key_password_file": "tls_key_password_file",
    "sasl_mechanism": "sasl_mechanism",
    "sasl_username": "sasl_username",
    "sasl_password_file": "sasl_password_file",
    "sasl_token_file": "sasl_token_file",
    "sasl_token_url": "sasl_token_url",
    "sasl_client_id": "sasl_client_id",
    "sasl_client_secret_file": "sasl_client_secret_file",
    "sasl_scope": "sasl_scope",
}
"""Setting, and where argparse keeps its option."""


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    parser.add_argument("--stages", metavar="A,B", help="of ingest, baseline, pattern, route (default: all)")
    parser.add_argument(
        "--web", metavar="HOST:PORT", help="page, API, health, metrics (default 127.0.0.1:6066; or off)"
    )
    configure_page(parser)
    parser.add_argument(
        "--page-url", metavar="URL", help="where people reach the page, for links in what they are told"
    )
    _configure_telling(parser)
    parser.add_argument(
        "--idle-after", metavar="S", help="a silent partition holds nobody up after so long (default 10)"
    )
    parser.add_argument("--checkpoint", metavar="S", help="between two checkpoints of a stage's state (default 30)")
    parser.add_argument(
        "--lookback", metavar="N", help="input records that are read back at a start, at most (default 500000)"
    )
    parser.add_argument(
        "--session", metavar="S", help="a worker not heard of for so long loses its partitions (default 15)"
    )
    parser.add_argument(
        "--stall", metavar="S", help="end when records wait and none are taken for so long (default 120)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what Faust and the Kafka client say, too")


def _configure_telling(parser: argparse.ArgumentParser) -> None:
    told = parser.add_argument_group(
        "whom incidents are told",
        "Secrets are in files, or in $SEAMWATCH_ALERTMANAGER_PASSWORD, $SEAMWATCH_WEBHOOK_SECRET. See docs/routing.md.",
    )
    told.add_argument("--alertmanager", metavar="URL,…", help="post incidents to every one of these Alertmanagers")
    told.add_argument("--alertmanager-ca", metavar="FILE", help="who signs its certificate (default: as the system)")
    told.add_argument("--alertmanager-certificate", metavar="FILE", help="of this client, for mutual TLS")
    told.add_argument("--alertmanager-key", metavar="FILE", help="of that certificate")
    told.add_argument("--alertmanager-username", metavar="NAME", help="for basic authentication")
    told.add_argument("--alertmanager-password-file", metavar="FILE", help="its first line is the password")
    told.add_argument("--alertmanager-token-file", metavar="FILE", help="holds a bearer token that others keep fresh")
    told.add_argument("--webhook", metavar="URL", help="post every change of an incident there, signed")
    told.add_argument("--webhook-secret-file", metavar="FILE", help="its first line is the secret of the signature")
    told.add_argument("--webhook-ca", metavar="FILE", help="who signs its certificate (default: as the system)")


def configure_page(parser: argparse.ArgumentParser) -> None:
    """Who may read and act on the page, and under which names it stands."""
    page = parser.add_argument_group(
        "the page", "From loopback everybody may read and act; from beyond nobody, without a token or a trusted proxy."
    )
    page.add_argument("--web-prefix", metavar="PATH", help="path under which all of it stands, such as /seamwatch")
    page.add_argument("--web-tokens-file", metavar="FILE", help="who may read and act, by token; see `seamwatch token`")
    page.add_argument("--web-proxies", metavar="NET,…", help="proxies that are believed when they name a user")
    page.add_argument("--web-user-header", metavar="NAME", help="where they name it (default X-Forwarded-User)")
    page.add_argument("--web-actors", metavar="NAME,…", help="users of the proxies that may act; * for all of them")
    page.add_argument("--web-open", metavar="on|off", help="anybody may read, from beyond loopback too (default off)")
    page.add_argument("--web-hosts", metavar="NAME,…", help="further names under which it is reached")


def configure_settings(parser: argparse.ArgumentParser) -> None:
    """What is said of the cluster and its topics; every option may stand in worker.yaml or SEAMWATCH_… as well."""
    parser.add_argument("--config", metavar="DIR", help="directory of the intent file and of worker.yaml")
    parser.add_argument("--brokers", metavar="HOST:PORT,…", help="where to ask for the cluster")
    parser.add_argument(
        "--input", action="append", metavar="TOPIC[=FORMAT]", help="may be repeated (format: canonical)"
    )
    parser.add_argument(
        "--prefix", metavar="TEXT", help="begins the names of Seamwatch's own topics (default seamwatch.)"
    )
    parser.add_argument("--group", metavar="NAME", help="workers of one group share the work (default seamwatch)")
    configure_security(parser)


def configure_security(parser: argparse.ArgumentParser) -> None:
    """How to connect; as `configure_settings`. There is no option for a secret: others can read a command line."""
    secure = parser.add_argument_group(
        "security of the connection",
        "Secrets are in files, or in $SEAMWATCH_SASL_PASSWORD, $SEAMWATCH_SASL_CLIENT_SECRET, "
        "$SEAMWATCH_TLS_KEY_PASSWORD.",
    )
    secure.add_argument("--tls", metavar="on|off", help="TLS; on when any file of TLS is named")
    secure.add_argument("--tls-ca", metavar="FILE", help="who signs the brokers' certificates (default: as the system)")
    secure.add_argument("--tls-certificate", metavar="FILE", help="of this client, for mutual TLS")
    secure.add_argument("--tls-key", metavar="FILE", help="of that certificate")
    secure.add_argument("--tls-key-password-file", metavar="FILE", help="its first line opens the key")
    secure.add_argument("--sasl-mechanism", metavar="NAME", help="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER")
    secure.add_argument("--sasl-username", metavar="NAME")
    secure.add_argument("--sasl-password-file", metavar="FILE", help="its first line is the password")
    secure.add_argument("--sasl-token-file", metavar="FILE", help="OAUTHBEARER: holds a token that others keep fresh")
    secure.add_argument("--sasl-token-url", metavar="URL", help="OAUTHBEARER: where an identity provider gives tokens")
    secure.add_argument("--sasl-client-id", metavar="NAME", help="whom it knows this client as")
    secure.add_argument("--sasl-client-secret-file", metavar="FILE", help="its first line is the client's secret")
    secure.add_argument("--sasl-scope", metavar="TEXT", help="what the token is asked for")


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings that were given on the command line."""
    found = {name: getattr(arguments, option, None) for name, option in _OPTIONS.items()}
    return {name: value for name, value in found.items() if value is not None}


def given_security(arguments: argparse.Namespace) -> dict[str, Any]:
    """Of them, how to connect."""
    return {name: value for name, value in given(arguments).items() if name.startswith(("tls", "sasl_"))}


def run(arguments: argparse.Namespace) -> int:
    # Faust is only loaded by who works with it.
    from pipeline.behind import access_of
    from pipeline.reload import Directory
    from pipeline.service import PageError, Service
    from pipeline.stream import settings as stream_settings

    try:
        directory = Path(arguments.config) if arguments.config is not None else None
        settings = stream_settings.load(given(arguments), os.environ, directory)
        watched = Directory(directory) if directory is not None else None
        intent = watched.configuration.intent if watched is not None else default()
        access = access_of(settings)
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch worker: {fault}", file=sys.stderr)
        return 2
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.CRITICAL, format="%(levelname)s %(name)s: %(message)s"
    )

    async def work() -> int:
        service = Service(settings, intent, _say, access=access)
        service.end_on_signals()
        service.guard()
        if watched is not None:
            service.follow(watched)
        return await service.run()

    try:
        return asyncio.run(work())
    except PageError as error:
        _say(str(error))
        return 2


def _say(line: str) -> None:
    # A full disk under the log is no reason to stop watching.
    with suppress(OSError):
        print(f"seamwatch worker: {line}", file=sys.stderr, flush=True)
