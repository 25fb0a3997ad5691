"""What a request has to pass: tried over HTTP, as somebody who means harm would."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from pipeline.messages import Action, Change, Decision
from pipeline.stream.health import Health
from pipeline.web import Access, Behind, Board, application, guards
from pipeline.web.access import CSRF_COOKIE, new_token, parse_networks, parse_tokens
from pipeline.web.serving import Server
from tests.integration.serving import serving
from tests.sinks.incidents import FIRING

READER, READER_LINE = new_token("grafana", "read")
ACTOR, ACTOR_LINE = new_token("alice", "act")
TOKENS = parse_tokens(f"{READER_LINE}\n{ACTOR_LINE}")
ACTIONS = f"/api/v1/incidents/{FIRING.incident_id}/actions"
FORM = f"/incidents/{FIRING.incident_id}/actions"
# A request that says that it came through somewhere is not from loopback: from beyond, on a machine without a beyond.
BEYOND = {"X-Forwarded-For": "203.0.113.9"}


@dataclass
class Site:
    url: str
    session: aiohttp.ClientSession
    sent: list[Action | Change | Decision] = field(default_factory=list)

    async def status(self, method: str, path: str, **asked: object) -> int:
        async with self.session.request(method, self.url + path, allow_redirects=False, **asked) as answer:  # type: ignore[arg-type]
            await answer.read()
            return answer.status


@pytest.fixture
def access() -> Access:
    return Access()


@pytest.fixture
async def site(access: Access) -> AsyncIterator[Site]:
    board = Board()
    sent: list[Action | Change | Decision] = []
    board.take(FIRING)

    async def act(messages: Sequence[Action | Change | Decision]) -> None:
        sent.extend(messages)

    app = application(
        board, CollectorRegistry(), Health(), access=access, behind=Behind(act=act, now=lambda: 1_767_225_700_000)
    )
    jar = aiohttp.CookieJar(unsafe=True)
    async with serving(app) as url, aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Site(url, session, sent)


ACKNOWLEDGE = {"verb": "acknowledge", "by": "mallory"}


async def test_from_loopback_an_action_is_sent_with_the_name_that_was_said(site: Site) -> None:
    assert await site.status("POST", ACTIONS, json=ACKNOWLEDGE) == 202
    (action,) = site.sent
    assert isinstance(action, Action)
    assert (action.verb, action.by, action.incident_id) == ("acknowledge", "mallory", FIRING.incident_id)


async def test_without_a_token_nothing_is_read_or_done_from_beyond_loopback(site: Site) -> None:
    posts = {
        ACTIONS: ACKNOWLEDGE,
        "/api/v1/changes": {"kind": "other", "what": "x"},
        "/api/v1/decisions": {"reason": "x", "scope": {"operator": "x"}},
    }
    for path, body in posts.items():
        assert await site.status("POST", path, json=body, headers=BEYOND) == 401
    assert await site.status("POST", FORM, data={"verb": "acknowledge"}, headers=BEYOND) == 401
    for path in ("/", "/incidents", "/cohorts", "/state", "/events", "/api/v1/incidents", "/api/v1/openapi.json"):
        assert await site.status("GET", path, headers=BEYOND) == 401
    assert site.sent == []


async def test_probes_and_prometheus_need_no_token(site: Site) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/static/style.css"):
        assert await site.status("GET", path, headers=BEYOND | {"Host": "seamwatch.monitoring.svc"}) in (200, 503)


@pytest.mark.parametrize("access", [Access(tokens=TOKENS)])
async def test_a_token_that_reads_does_not_act_and_one_that_acts_does_so_by_its_own_name(site: Site) -> None:
    read, act = ({"Authorization": f"Bearer {token}"} | BEYOND for token in (READER, ACTOR))
    assert await site.status("GET", "/api/v1/incidents", headers=read) == 200
    assert await site.status("POST", ACTIONS, json=ACKNOWLEDGE, headers=read) == 403
    assert site.sent == []
    assert await site.status("POST", ACTIONS, json=ACKNOWLEDGE, headers=act) == 202
    assert [action.by for action in site.sent] == ["alice"]


@pytest.mark.parametrize("access", [Access(tokens=TOKENS)])
async def test_where_tokens_are_wanted_loopback_reads_and_does_not_act(site: Site) -> None:
    assert await site.status("GET", "/api/v1/incidents") == 200
    assert await site.status("POST", ACTIONS, json=ACKNOWLEDGE) == 401
    assert site.sent == []


@pytest.mark.parametrize("access", [Access(proxies=parse_networks(["127.0.0.1"]), actors=frozenset({"alice"}))])
async def test_a_user_that_the_proxy_names_acts_if_it_is_an_actor(site: Site) -> None:
    for user, status in (("alice", 202), ("bob", 403)):
        headers = BEYOND | {"X-Forwarded-User": user}
        assert await site.status("GET", "/", headers=headers) == 200
        assert await site.status("POST", ACTIONS, json=ACKNOWLEDGE, headers=headers) == status
    assert [action.by for action in site.sent] == ["alice"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:6066", "127.0.0.1.evil.example"])
async def test_a_name_that_somebody_pointed_here_reads_nothing(site: Site, host: str) -> None:
    for path in ("/", "/api/v1/incidents", "/events"):
        assert await site.status("GET", path, headers={"Host": host}) == 421
    assert await site.status("POST", ACTIONS, json=ACKNOWLEDGE, headers={"Host": host}) == 421
    assert site.sent == []


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_foreign_page_cannot_make_a_browser_act(site: Site, headers: dict[str, str]) -> None:
    assert await site.status("POST", ACTIONS, json=ACKNOWLEDGE, headers=headers) == 403
    assert site.sent == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_browser_sends_without_asking_first_is_no_json(site: Site, kind: str) -> None:
    body = b'{"verb": "acknowledge"}'
    assert await site.status("POST", ACTIONS, data=body, headers={"Content-Type": kind}) in (403, 415)
    assert site.sent == []


async def test_a_form_acts_only_with_the_secret_that_was_drawn_into_it(site: Site) -> None:
    assert await site.status("POST", FORM, data={"verb": "acknowledge"}) == 403
    site.session.cookie_jar.clear()
    async with site.session.get(f"{site.url}/incidents/{FIRING.incident_id}") as answer:
        page = await answer.text()
        cookie = answer.cookies[CSRF_COOKIE]
    assert cookie["samesite"] == "Strict"
    assert cookie["httponly"]
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found is not None
    another = ("y" if found[1][0] == "x" else "x") + found[1][1:]
    assert await site.status("POST", FORM, data={"verb": "acknowledge", "form": another}) == 403
    assert site.sent == []
    assert await site.status("POST", FORM, data={"verb": "note", "text": "<b>looking", "form": found[1]}) == 303
    assert [(action.by, getattr(action, "text", "")) for action in site.sent] == [("loopback", "<b>looking")]


async def test_what_a_cookie_says_is_text_on_the_page(site: Site) -> None:
    secret = '"><script>x</script>'.ljust(32, "x")
    async with site.session.get(site.url + f"/incidents/{FIRING.incident_id}", cookies={CSRF_COOKIE: secret}) as answer:
        assert "<script>x" not in await answer.text()


@pytest.mark.parametrize("access", [Access(tokens=TOKENS)])
async def test_a_person_signs_in_with_a_token_and_then_acts_by_form(site: Site) -> None:
    async def form(path: str) -> str:
        async with site.session.get(site.url + path, headers=BEYOND) as answer:
            found = re.search(r'name="form" value="([^"]+)"', await answer.text())
            assert found is not None
            return found[1]

    half = await form("/login")
    assert await site.status("POST", "/login", data={"token": "guess", "form": half}, headers=BEYOND) == 401
    assert await site.status("POST", "/login", data={"token": ACTOR}, headers=BEYOND) == 403
    assert await site.status("POST", "/login", data={"token": ACTOR, "form": half}, headers=BEYOND) == 303
    half = await form(f"/incidents/{FIRING.incident_id}")
    assert await site.status("POST", FORM, data={"verb": "confirm", "form": half}, headers=BEYOND) == 303
    assert [action.by for action in site.sent] == ["alice"]
    assert await site.status("POST", "/logout", data={"form": half}, headers=BEYOND) == 303
    assert await site.status("GET", "/", headers=BEYOND) == 401


async def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    large = {"verb": "note", "text": "x" * guards.LARGEST_REQUEST}
    assert await site.status("POST", ACTIONS, json=large) == 413
    assert site.sent == []


async def test_a_body_that_does_not_come_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "BODY_S", 0.2)
    host, port = site.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {ACTIONS} HTTP/1.1\r\nHost: {host}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode()
    )
    assert b"408" in await asyncio.wait_for(reader.readline(), 60)
    writer.close()


async def test_a_request_head_that_does_not_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.web.serving.IDLE_S", 0.3)

    async def nothing() -> None:
        await asyncio.Event().wait()

    server = Server(lambda: application(Board(), CollectorRegistry(), Health()), nothing)
    host, port = await server.start("127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        # Without the bound it would stay open for an hour.
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
    finally:
        await server.stop()


async def test_a_method_that_is_none_says_which_there_are(site: Site) -> None:
    async with site.session.delete(site.url + "/api/v1/incidents") as answer:
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]
        assert answer.content_type == "application/problem+json"


async def test_what_is_known_already_is_not_sent_again(site: Site) -> None:
    for path in ("/", "/api/v1/incidents", "/static/style.css", f"/incidents/{FIRING.incident_id}"):
        await site.status("GET", path)
        async with site.session.get(site.url + path) as answer:
            tag = answer.headers["ETag"]
        async with site.session.get(site.url + path, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
            assert await answer.read() == b""
