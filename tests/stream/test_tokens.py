"""Tokens for OAUTHBEARER: from a file that changes, and from an identity provider."""

from __future__ import annotations

import base64
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline.stream.secret import Secret
from pipeline.stream.security import TokenFile, TokenUrl
from pipeline.stream.tokens import TokenError, Tokens, expiry
from tests.integration.secure_kafka import token

SECRET = "s3cret:+/ä"
NOW = 1_800_000_000.0


@dataclass
class Provider:
    """An identity provider: what it answers, and what it was asked."""

    status: int = 200
    body: bytes = b'{"access_token": "one", "expires_in": 100}'
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def provider() -> Iterator[Provider]:
    answers = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answers.asked.append((self.headers["Authorization"], urllib.parse.parse_qs(form)))
            self.send_response(answers.status)
            self.end_headers()
            self.wfile.write(answers.body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    answers.url = f"http://127.0.0.1:{server.server_port}/token"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield answers
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def test_a_token_is_used_until_most_of_its_life_is_over(provider: Provider) -> None:
    clock = Clock()
    tokens = Tokens(TokenUrl(provider.url, "me", Secret(SECRET), "kafka"), clock)
    assert tokens.current() == ("one", NOW + 100)
    clock.now += 79
    tokens.current()
    assert len(provider.asked) == 1
    clock.now += 2
    provider.body = b'{"access_token": "two", "expires_in": 100}'
    assert tokens.current().text == "two"


def test_the_client_says_who_it_is_and_what_it_wants(provider: Provider) -> None:
    Tokens(TokenUrl(provider.url, "me", Secret(SECRET), "kafka"), lambda: NOW).current()
    ((authorization, form),) = provider.asked
    pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
    assert [urllib.parse.unquote(part) for part in pair.split(":")] == ["me", SECRET]
    assert form == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b'{"error": "invalid_client"}', "answers 401 Unauthorized: invalid_client"),
        (500, b"<html>", "answers 500 Internal Server Error"),
        (200, b"<html>", "Expecting value"),
        (200, b"[]", "answers without access_token"),
        (200, b'{"access_token": ""}', "answers without access_token"),
        (200, b'{"access_token": "x", "expires_in": -5}', "ran out 5 s ago"),
    ],
)
def test_what_an_identity_provider_refuses_is_said_without_the_secret(
    provider: Provider, status: int, body: bytes, said: str
) -> None:
    provider.status, provider.body = status, body
    with pytest.raises(TokenError) as caught:
        Tokens(TokenUrl(provider.url, "me", Secret(SECRET)), lambda: NOW).current()
    assert provider.url in str(caught.value)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_identity_provider_that_is_away_is_named() -> None:
    with pytest.raises(TokenError, match=r"no token: http://127\.0\.0\.1:1/: .*refused"):
        Tokens(TokenUrl("http://127.0.0.1:1/", "me", Secret(SECRET))).current()


def test_a_file_is_read_again_when_its_token_gets_old(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "token"
    path.write_text("first\n")
    tokens = Tokens(TokenFile(path), clock)
    assert tokens.current().text == "first"
    path.write_text("second\n")
    assert tokens.current().text == "first"
    clock.now += 300
    assert tokens.current().text == "second"


def test_a_token_of_a_file_says_by_itself_when_it_ends(tmp_path: Path) -> None:
    text = token(life_s=600)
    (tmp_path / "token").write_text(text)
    tokens = Tokens(TokenFile(tmp_path / "token"))
    assert tokens.current() == (text, expiry(text))
    assert text not in repr(tokens.current()) + repr(tokens)


@pytest.mark.parametrize(("content", "said"), [(b" \n", "holds none"), (b"\xff", "holds none")])
def test_a_file_without_a_token_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(TokenError, match=rf"no token: {tmp_path}/token {said}"):
        Tokens(TokenFile(tmp_path / "token")).current()
    with pytest.raises(TokenError, match="cannot be read: No such file"):
        Tokens(TokenFile(tmp_path / "none")).current()


def test_a_file_whose_token_has_run_out_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token(life_s=-10))
    with pytest.raises(TokenError, match=r"ran out \d+ s ago"):
        Tokens(TokenFile(tmp_path / "token")).current()


@pytest.mark.parametrize("text", ["opaque", "a.b.c", "..", "e30.e30.", "e30.W10.", "e30.eyJleHAiOnRydWV9."])
def test_what_is_no_token_with_an_end_has_none(text: str) -> None:
    assert expiry(text) is None
