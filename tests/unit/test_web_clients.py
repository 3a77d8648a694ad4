"""Who the client of a request is, behind proxies."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.web.edge.clients import FORWARDED, HOPS_MAX, X_FORWARDED_FOR, Client, Clients

OURS = ("10.0.0.0/8", "fd00::/8")
PROXY = "10.1.1.1"
HIDDEN = Client(PROXY, PROXY)


def found(header: str, *lines: str, peer: str = PROXY) -> Client:
    sent = [(header.lower().encode(), line.encode("latin-1")) for line in lines]
    return Clients(OURS, header).find(peer, dict(sent), sent)


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ((), "203.0.113.9", "192.0.2.1", "203.0.113.9"),
        (OURS, "203.0.113.9", "192.0.2.1", "203.0.113.9"),
        (OURS, "10.1.1.1", "192.0.2.1", "192.0.2.1"),
        (OURS, "::ffff:10.1.1.1", "192.0.2.1", "192.0.2.1"),
        (OURS, "fd00::1", "192.0.2.1", "192.0.2.1"),
        ((), "::ffff:192.0.2.1", None, "192.0.2.1"),
        (("::1",), "::1", "2001:db8::5", "2001:db8::5"),
        (("127.0.0.1",), "", "192.0.2.1", ""),
    ],
)
def test_only_proxies_of_ours_are_believed(
    trusted: tuple[str, ...], peer: str, forwarded: str | None, address: str
) -> None:
    headers = {} if forwarded is None else {b"x-forwarded-for": forwarded.encode()}
    assert Clients(trusted).find(peer, headers) == Client(address)


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("198.51.100.7, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.2.2.2", "192.0.2.1"),
        ("192.0.2.1,10.2.2.2 ,, 10.3.3.3,", "192.0.2.1"),
        ("192.0.2.1:50123", "192.0.2.1"),
        ('"192.0.2.1"', "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1], 10.2.2.2:8080, [fd00::5]:80, ::ffff:10.4.4.4, unix:", "2001:db8::1"),
        ("192.0.2.1, ::ffff:a04:404", "192.0.2.1"),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours(line: str, address: str) -> None:
    assert found(X_FORWARDED_FOR, line) == Client(address)
    assert found("X-Real-IP", line) == Client(address)


def test_a_proxy_may_add_a_line_of_its_own() -> None:
    assert found(X_FORWARDED_FOR, "198.51.100.7, 192.0.2.1", "10.2.2.2") == Client("192.0.2.1")
    assert found(FORWARDED, "for=198.51.100.7", 'for="[2001:db8::1]:4711"') == Client("2001:db8::1")


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("for=192.0.2.1", "192.0.2.1"),
        ('For="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ("for=[2001:db8::1]:443", "2001:db8::1"),  # the quotes are missing
        ("for=2001:db8::1", "2001:db8::1"),
        ("for=192.0.2.1:47011;proto=http;by=203.0.113.43", "192.0.2.1"),
        ("proto=http;for=192.0.2.1", "192.0.2.1"),
        ('by="10.2.2.2:80"; proto=https; host="a,b"; for="192.0.2.1:5000"', "192.0.2.1"),
        ('for=198.51.100.17, for="10.2.2.2:80";host=a', "198.51.100.17"),
        ("for=198.51.100.17,for=192.0.2.1 , for=10.2.2.2", "192.0.2.1"),
        ('for=192.0.2.1;host="a,for=6.6.6.6"', "192.0.2.1"),
        # As HAProxy's manual shows them (`option forwarded`)
        ("proto=http;for=127.0.0.1", "127.0.0.1"),
        ('host="host.com";by=_haproxy;for="[::1]:10"', "::1"),
        # A client writes what it likes before the element of the proxy
        ('for="6.6.6.6, for=192.0.2.1', "192.0.2.1"),
        ('for="6.6.6.6, for="[2001:db8::1]"', "2001:db8::1"),
        ('for=6.6.6.6;x=", for="[2001:db8::1]:443";proto=https', "2001:db8::1"),
        ('\\\\", ;;, for=192.0.2.1', "192.0.2.1"),
    ],
)
def test_the_standard_header(line: str, address: str) -> None:
    assert found(FORWARDED, line) == Client(address)


@pytest.mark.parametrize("line", ["unknown", "(null)", "-", "localhost", "", "non sense", "10.2.2.256"])
def test_what_is_no_address_does_not_tell_who_it_is(line: str) -> None:
    assert found(X_FORWARDED_FOR, f"192.0.2.1, {line}" if line else line) == HIDDEN
    assert found(X_FORWARDED_FOR) == HIDDEN
    assert found(FORWARDED, f'for="{line}"') == HIDDEN


def test_an_identifier_is_logged_and_tells_no_more() -> None:
    """It may be new for each request, or the same for everybody (RFC 7239, 6.3)."""
    assert found(FORWARDED, "for=_gazonk") == Client("_gazonk", PROXY)
    assert found(FORWARDED, 'for=192.0.2.1, for="_gazonk:_port", for=10.2.2.2') == Client(
        "_gazonk", "10.2.2.2"
    )
    shown = found(FORWARDED, 'host="haproxy.org";for="_000000007F2F367E:60138"')
    assert shown == Client("_000000007F2F367E", PROXY)
    assert found(X_FORWARDED_FOR, "_hidden") == Client("_hidden", PROXY)
    assert len(found(X_FORWARDED_FOR, "_" * 9000).address) <= 64


@pytest.mark.parametrize("line", ["proto=https", "for=192.0.2.1, nonsense", "for=192.0.2.1, for=a=b", '"'])
def test_an_element_without_a_client_hides_those_before_it(line: str) -> None:
    assert found(FORWARDED, line) == HIDDEN


def test_another_header_is_not_read() -> None:
    """The proxy passes it on as the client wrote it."""
    headers = {b"x-forwarded-for": b"6.6.6.6", b"forwarded": b"for=192.0.2.1", b"x-real-ip": b"7.7.7.7"}
    assert Clients(OURS, FORWARDED).find(PROXY, headers) == Client("192.0.2.1")
    assert Clients(OURS, "x-real-ip").find(PROXY, headers) == Client("7.7.7.7")
    assert Clients(OURS).find(PROXY, {b"forwarded": b"for=6.6.6.6"}) == HIDDEN


def test_only_so_many_proxies_are_passed() -> None:
    line = ", ".join(["192.0.2.1", *["10.2.2.2"] * HOPS_MAX])
    assert found(X_FORWARDED_FOR, line) == Client("10.2.2.2", "10.2.2.2")


@pytest.mark.parametrize(
    "line",
    [
        "for=10.1.1.1," * 2400,
        "," * 32_000,
        "a=b;" * 8000,
        'a="' * 10_000,
        ',a="\\' * 6_000,
        "for=10.1.1.1;a=b;" * 1800,
    ],
)
def test_a_long_header_takes_no_time(line: str) -> None:
    for header in (FORWARDED, X_FORWARDED_FOR):
        took = []
        for _ in range(5):
            began = time.thread_time()
            found(header, line)
            took.append(time.thread_time() - began)
        assert min(took) < 0.01


@given(st.lists(st.text("for=;,\"' _.:[]\\0123abc"), max_size=4), st.ip_addresses())
def test_whatever_a_client_writes_before_it_the_last_element_counts(
    before: list[str], address: object
) -> None:
    shown = str(address)
    if any(shown.startswith(each) for each in ("10.", "fd", "::ffff:")):
        return
    quoted = f'"[{shown}]:443"' if ":" in shown else f'"{shown}:443"'
    written = ", ".join(each.encode("ascii").decode() for each in before)
    assert found(FORWARDED, f"{written}, for={quoted}").address == shown
    assert found(X_FORWARDED_FOR, f"{written}, {shown}").address == shown
