"""On which addresses the server listens, and how it calls itself."""

from __future__ import annotations

import errno
import socket

import pytest

from evently.cli import serving
from evently.cli.serving import ACCEPTED_AT_ONCE, CannotServe, _listening, _url_of
from evently.config import Config


def test_localhost_is_both_addresses_of_loopback_with_one_port() -> None:
    config = Config(host="localhost", port=0)
    with _listening(config) as found:
        names = {each.getsockname()[:2] for each in found}
        ports = {port for _, port in names}
        assert {host for host, _ in names} == {"127.0.0.1", "::1"}
        assert len(ports) == 1
        assert len(found) == 2 * ACCEPTED_AT_ONCE
        assert _url_of(found[0], config) == f"http://localhost:{ports.pop()}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_localhost_is_not_shared_with_another_server(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_PORT_SECONDS_MAX", 0.0)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as other:
        other.bind((host, 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(CannotServe, match=f"localhost:{port}"),
            _listening(Config(host="localhost", port=port)),
        ):
            pytest.fail("a browser would reach the other server")


def test_a_machine_without_ipv6_listens_on_the_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = serving._bound

    def without_ipv6(host: str, port: int) -> socket.socket:
        if ":" in host:
            raise OSError(errno.EADDRNOTAVAIL, "no such address")
        return bound(host, port)

    monkeypatch.setattr(serving, "_bound", without_ipv6)
    config = Config(host="localhost", port=0)
    with _listening(config) as found:
        assert {each.getsockname()[0] for each in found} == {"127.0.0.1"}
        assert _url_of(found[0], config).startswith("http://localhost:")


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_an_address_stays_an_address(host: str, shown: str) -> None:
    config = Config(host=host, port=0)
    with _listening(config) as found:
        assert len(found) == ACCEPTED_AT_ONCE
        assert _url_of(found[0], config) == f"http://{shown}:{found[0].getsockname()[1]}"
