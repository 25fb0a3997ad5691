"""Who may read and who may act: the rules by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.access import (
    COOKIE,
    Access,
    Principal,
    TokenFileError,
    is_form_of,
    is_same_origin,
    new_token,
    parse_networks,
    parse_tokens,
)

READER, READER_LINE = new_token("grafana", "read")
ACTOR, ACTOR_LINE = new_token("alice", "act")
TOKENS = parse_tokens(f"# who\n{READER_LINE}\n\n{ACTOR_LINE}  # on call\n")
FAR = "203.0.113.9"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_from_loopback_everybody_reads_and_acts_until_somebody_says_who_may() -> None:
    for peer in ("127.0.0.1", "::1", "127.8.8.8"):
        assert Access().who(peer, {}, {}) == Principal("loopback", may_act=True, ambient=True, named=False)
        for configured in (Access(tokens=TOKENS), Access(proxies=parse_networks(["10.0.0.0/8"]))):
            found = configured.who(peer, {}, {})
            assert found is not None
            assert not found.may_act


def test_from_beyond_nobody_does_either_without_a_token() -> None:
    assert Access().who(FAR, {}, {}) is None
    assert Access(tokens=TOKENS).who(FAR, {}, {}) is None
    assert Access(tokens=TOKENS).who(FAR, bearer("guess"), {}) is None
    assert Access(tokens=TOKENS).who(None, {}, {}) is None


def test_a_token_says_who_it_is_and_what_that_one_may() -> None:
    access = Access(tokens=TOKENS)
    assert access.who(FAR, bearer(READER), {}) == Principal("grafana", may_act=False, ambient=False)
    assert access.who(FAR, bearer(ACTOR), {}) == Principal("alice", may_act=True, ambient=False)
    assert access.who(FAR, {}, {COOKIE: ACTOR}) == Principal("alice", may_act=True, ambient=True)


def test_a_wrong_token_is_not_excused_by_where_it_comes_from() -> None:
    assert Access(tokens=TOKENS, open=True).who("127.0.0.1", bearer("wrong"), {}) is None
    assert Access(open=True).who(FAR, {"Authorization": "Basic YTpi"}, {}) is None


def test_where_reading_is_open_nobody_acts_all_the_same() -> None:
    found = Access(open=True).who(FAR, {}, {})
    assert found is not None
    assert not found.may_act


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"])
def test_what_a_proxy_on_this_machine_passes_on_is_not_from_loopback(header: str) -> None:
    assert Access().who("127.0.0.1", {header: "203.0.113.9"}, {}) is None


def test_a_user_is_believed_from_a_configured_proxy_alone() -> None:
    access = Access(proxies=parse_networks(["10.0.0.0/24"]), actors=frozenset({"alice"}))
    said = {"X-Forwarded-User": "alice", "X-Forwarded-For": FAR}
    assert access.who("10.0.0.7", said, {}) == Principal("alice", may_act=True, ambient=True)
    assert access.who("10.0.0.7", said | {"X-Forwarded-User": "bob"}, {}) == Principal("bob", False, True)
    assert access.who("10.0.1.7", said, {}) is None
    assert access.who("10.0.0.7", {"X-Forwarded-For": FAR}, {}) is None
    assert access.who("127.0.0.1", said, {}) is None


@given(st.text(max_size=80))
def test_no_guess_is_a_token(guess: str) -> None:
    assert Access(tokens=TOKENS).who(FAR, bearer(guess), {COOKIE: guess}) is None


def test_the_file_holds_no_token() -> None:
    assert READER not in READER_LINE
    assert ACTOR not in repr(TOKENS)


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("alice act secret", 1, "no NAME read|act SHA256"),
        (f"\n{ACTOR_LINE}\n{ACTOR_LINE}", 3, "has a token already"),
        ("alice root " + "0" * 64, 1, "no NAME read|act SHA256"),
    ],
)
def test_a_line_that_says_nothing_is_told_with_its_number_and_not_quoted(text: str, line: int, wrong: str) -> None:
    with pytest.raises(TokenFileError) as error:
        parse_tokens(text)
    assert error.value.args[0] == line
    assert wrong in error.value.args[1]
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:6066", "127.0.0.1:80", "[::1]:6066", "10.1.2.3", "watch.example"]
)
def test_addresses_loopback_and_named_hosts_are_its_own(host: str) -> None:
    assert Access(hosts=frozenset({"watch.example"})).is_own_host(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.example", "watch.example.evil"]
)
def test_other_names_are_not(host: str) -> None:
    assert not Access(hosts=frozenset({"watch.example"})).is_own_host(host)


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({"Host": "a:1"}, True),
        ({"Host": "a:1", "Origin": "http://a:1"}, True),
        ({"Host": "a:1", "Origin": "http://b:1"}, False),
        ({"Host": "a:1", "Origin": "null"}, False),
        ({"Host": "a:1", "Origin": "http://a:1", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Host": "a:1", "Sec-Fetch-Site": "same-site"}, False),
        ({"Host": "a:1", "Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
    ],
)
def test_a_page_of_another_origin_is_told_by_its_headers(headers: dict[str, str], same: bool) -> None:
    assert is_same_origin(headers) is same


def test_a_form_needs_both_halves() -> None:
    assert is_form_of("x", "x")
    assert not is_form_of("x", "y")
    assert not is_form_of("", "")
    assert not is_form_of(None, None)
