"""Clients behind real HAProxy and nginx: who they are, in every form in which these say it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.options import RateOptions
from evently.web.edge.routing import get, post
from tests.support import proxies
from tests.support.edge import listening
from tests.support.marks import needs
from tests.support.proxies import MISSING, documented, haproxy, haproxy_version, nginx

pytestmark = [
    pytest.mark.timeout(120),
    needs(MISSING),
]

PROXY = "127.0.0.1"
CLIENT = "127.0.1.7"  # another address of loopback, which is not trusted
FORGED = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Real-IP": "6.6.6.6"}
QUOTED = r'http-request {} Forwarded "for=\"{}\";proto=http"'


@get("/who", **policy(PUBLIC))
async def who(request: Request) -> Response[list[str | None]]:
    return Response(list(request.exchange.client))


@post("/login", **policy(PUBLIC, rate="login"))
async def login(request: Request) -> Response[str]:
    return Response("in")


@get("/readyz", **policy(PUBLIC, rate="unlimited"))
async def readyz(request: Request) -> Response[str]:
    return Response("ready")


@contextmanager
def served(header: str = "x-forwarded-for", host: str = PROXY) -> Iterator[int]:
    """Serve in a thread; yield the port."""
    options = {"client_header": header, "trusted_proxies": (PROXY,), "rates": RateOptions(login=2)}
    with listening([who, login, readyz], host=host, **options) as port:
        yield port


def ask(
    port: int, path: str = "/who", *, client: str = CLIENT, method: str = "GET", **headers: str
) -> tuple[int, str]:
    """Send a request from an address of loopback; return the status and the body."""
    host = "::1" if ":" in client else PROXY
    connection = http.client.HTTPConnection(host, port, timeout=60, source_address=(client, 0))
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def client_of(port: int, *, client: str = CLIENT) -> list[str | None]:
    """Return who the client is for us, though it has forged all headers."""
    status, body = ask(port, client=client, **FORGED)
    assert status == 200, body
    found: list[str | None] = json.loads(body)
    return found


@pytest.mark.parametrize("proxy", [haproxy, nginx], ids=["haproxy", "nginx"])
def test_the_configurations_in_the_documents_work(proxy: object) -> None:
    run = haproxy if proxy is haproxy else nginx
    with served() as port, run(port, text=documented(run.__name__)) as front:
        for client in (CLIENT, "127.0.1.8", "::1"):
            assert client_of(front, client=client) == [client, None]
        forged = {"X-Forwarded-For": "192.0.2.1"}
        logins = [ask(front, "/login", method="POST", **forged)[0] for _ in range(3)]
        other = ask(front, "/login", method="POST", client="127.0.1.9", **forged)[0]
        assert (logins, other) == ([201, 201, 429], 201)


@pytest.mark.parametrize(
    ("header", "rules"),
    [
        ("x-forwarded-for", "option forwardfor"),
        ("x-forwarded-for", "http-request add-header X-Forwarded-For %[src]"),
        ("x-forwarded-for", "http-request set-header X-Forwarded-For %[src]"),
        ("x-forwarded-for", "http-request set-header X-Forwarded-For [%[src]]:%[src_port]"),
        ("x-forwarded-for", "http-request add-header X-Forwarded-For [%[src]]:%[src_port]"),
        ("x-real-ip", "http-request set-header X-Real-IP %[src]"),
        ("forwarded", "http-request set-header Forwarded for=%[src]"),
        ("forwarded", QUOTED.format("set-header", "[%[src]]:%[src_port]")),
        ("forwarded", QUOTED.format("add-header", "[%[src]]")),
    ],
)
def test_haproxy(header: str, rules: str) -> None:
    with served(header) as port, haproxy(port, rules) as front:
        for client in (CLIENT, "::1"):
            assert client_of(front, client=client) == [client, None]


@pytest.mark.parametrize("rules", ["option forwarded", "option forwarded for for_port proto host by"])
def test_haproxy_sends_the_standard_header(rules: str) -> None:
    if haproxy_version() < (2, 8):
        pytest.skip("HAProxy before 2.8 has no `option forwarded`")
    with served("forwarded") as port, haproxy(port, rules) as front:
        for client in (CLIENT, "::1"):
            assert client_of(front, client=client) == [client, None]


@pytest.mark.parametrize(
    ("header", "rules"),
    [
        ("x-forwarded-for", "proxy_set_header X-Forwarded-For $remote_addr;"),
        ("x-forwarded-for", "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"),
        ("x-forwarded-for", "proxy_set_header X-Forwarded-For [$remote_addr]:$remote_port;"),
        ("x-forwarded-for", 'proxy_set_header X-Forwarded-For "$http_x_forwarded_for, $remote_addr";'),
        ("x-real-ip", "proxy_set_header X-Real-IP $remote_addr;"),
        ("forwarded", r'proxy_set_header Forwarded "for=\"[$remote_addr]:$remote_port\";proto=$scheme";'),
        ("forwarded", r'proxy_set_header Forwarded "$http_forwarded, for=\"[$remote_addr]\"";'),
    ],
)
def test_nginx(header: str, rules: str) -> None:
    with served(header) as port, nginx(port, rules) as front:
        for client in (CLIENT, "::1"):
            assert client_of(front, client=client) == [client, None]


CHAIN = {
    "x-forwarded-for": (
        "http-request set-header X-Forwarded-For %[src]",
        "option forwardfor",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    ),
    # In one line: an nginx before 1.23 sees only the first
    "forwarded": (
        QUOTED.format("set-header", "%[src]"),
        r'http-request set-header Forwarded "%[req.fhdr(forwarded)], for=%[src]"',
        r'proxy_set_header Forwarded "$http_forwarded, for=\"$remote_addr:$remote_port\"";',
    ),
}


@pytest.mark.parametrize("inner", ["haproxy", "nginx"])
@pytest.mark.parametrize("header", CHAIN)
def test_several_proxies(header: str, inner: str) -> None:
    """The first one replaces the header, the others append to it."""
    replaces, appends, nginx_appends = CHAIN[header]
    runs = [partial(haproxy, rules=appends), partial(nginx, rules=nginx_appends)]
    with ExitStack() as stack:
        port = stack.enter_context(served(header))
        for run in runs if inner == "haproxy" else reversed(runs):
            port = stack.enter_context(run(port))
        port = stack.enter_context(haproxy(port, replaces))
        assert client_of(port) == [CLIENT, None]


def test_a_socket_for_both_ip_versions_knows_its_proxy() -> None:
    """The proxy's address is ::ffff:127.0.0.1 there."""
    with served(host="::") as port, haproxy(port, "option forwardfor") as front:
        assert client_of(front) == [CLIENT, None]


@pytest.mark.parametrize(
    ("header", "rules", "client"),
    [
        ("x-forwarded-for", "http-request set-header X-Forwarded-For unknown", [PROXY, PROXY]),
        ("x-forwarded-for", "http-request add-header X-Forwarded-For unknown", [PROXY, PROXY]),
        ("x-forwarded-for", "http-request del-header X-Forwarded-For", [PROXY, PROXY]),
        ("forwarded", QUOTED.format("set-header", "unknown"), [PROXY, PROXY]),
        ("forwarded", QUOTED.format("set-header", "_hidden"), ["_hidden", PROXY]),
        ("forwarded", QUOTED.format("add-header", "_%[rand(1000000)]:_port"), ["_", PROXY]),
    ],
)
def test_clients_that_are_not_named_do_not_share_the_limit_of_one(
    header: str, rules: str, client: list[str | None]
) -> None:
    with served(header) as port, haproxy(port, rules) as front:
        found = client_of(front)
        assert found[0] is not None
        assert found[0].startswith(client[0] or "")
        assert found[1] == client[1]
        assert [ask(front, "/login", method="POST")[0] for _ in range(6)] == [201] * 6


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2"])
def test_the_proxy_protocol_is_refused(options: str) -> None:
    with served() as port, haproxy(port, options=options) as front:
        status, body = ask(front)
        assert status == 400
        assert "malformed" in body


def test_a_port_for_a_proxy_is_free_on_both_loopback_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET6) as taken, socket.socket() as other:
        taken.bind(("::1", 0))
        port = taken.getsockname()[1]
        try:
            other.bind(("127.0.0.1", port))  # the address that alone was looked at once
        except OSError:
            pytest.skip("somebody has the same port there")
        other.close()
        monkeypatch.setattr(proxies, "PORTS", [port])
        with pytest.raises(AssertionError, match="no port is free"):
            proxies.free_port()
    assert proxies.free_port() == port
