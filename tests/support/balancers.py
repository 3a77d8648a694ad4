"""HAProxy and nginx in front of several servers, as docs/operations.md configures them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.proxies import documented

SERVER = "server one {target} check"


def haproxy_text(ports: Sequence[int]) -> str:
    """Return the documented configuration with these servers."""
    text = documented("haproxy")
    assert SERVER in text
    servers = [f"server s{port} 127.0.0.1:{port} check inter 500ms fall 1 rise 1" for port in ports]
    return text.replace(SERVER, "\n    ".join(servers))


def nginx_text(ports: Sequence[int]) -> str:
    """Return the documented configuration with these servers."""
    text = documented("nginx")
    assert "server {target};" in text
    return text.replace("server {target};", "\n    ".join(f"server 127.0.0.1:{port};" for port in ports))
