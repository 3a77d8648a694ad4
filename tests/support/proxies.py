"""Real HAProxy and nginx on loopback, and the configurations of docs/operations.md."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations.md"
START_SECONDS_MAX: Final = 60.0
PORTS: Final = range(20_000, 32_000)  # Linux gives away those from 32,768 on, others those from 49,152 on
PORTS_TRIED_MAX: Final = 100
HELD_MAX: Final = 200
PROGRAMS: Final = {
    name: shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin")
    for name in ("haproxy", "nginx")
}
MISSING: Final = [name for name, path in PROGRAMS.items() if path is None]

_HAPROXY: Final = """
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend public
    {bind}
    default_backend evently
backend evently
    {rules}
    server one {target} {options}
"""
_NGINX: Final = """
upstream evently {{
    server {target};
}}
server {{
    {bind}
    location / {{
        proxy_pass http://evently;
        proxy_http_version 1.1;
        {rules}
    }}
}}
"""
_NGINX_AROUND: Final = """
daemon off;
pid {directory}/nginx.pid;
events {{}}
http {{
    access_log off;
    {temporary}
    {servers}
}}
"""
_TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_LOOPBACK: Final = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_held: Final[deque[int]] = deque()  # descriptors


def haproxy_version() -> tuple[int, int]:
    """Return the version of HAProxy that is installed."""
    assert PROGRAMS["haproxy"] is not None
    said = subprocess.run([PROGRAMS["haproxy"], "-v"], check=True, capture_output=True, text=True).stdout
    match = re.search(r"version (\d+)\.(\d+)", said)
    assert match is not None, said
    return int(match[1]), int(match[2])


def documented(program: str) -> str:
    """Return the configuration in docs/operations.md, to be served without TLS."""
    match = re.search(rf"```{program}\n(.*?) *```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    return (
        re.sub(r" *ssl_certificate.*\n", "", match[1])
        .replace("bind :443 ssl crt /etc/haproxy/tickets.example.pem", "{bind}")
        .replace("listen 443 ssl;", "{bind}")
        .replace("bind :5000", "{bind}")
        .replace("127.0.0.1:8000", "{target}")
    )


@contextmanager
def haproxy(target: int, rules: str = "", *, text: str | None = None, options: str = "") -> Iterator[int]:
    """Run HAProxy in front of a port of 127.0.0.1, on both loopback addresses; yield its port."""
    port = free_port()
    values = {
        "{bind}": f"bind 127.0.0.1:{port}" + (f"\n    bind [::1]:{port}" if has_ipv6() else ""),
        "{target}": f"127.0.0.1:{target}",
        "{rules}": rules,
        "{options}": options,
    }
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "haproxy.cfg"
        file.write_text(_filled(text or _HAPROXY, values), encoding="utf-8")
        with _running([str(PROGRAMS["haproxy"]), "-db", "-f", str(file)], port):
            yield port


@contextmanager
def nginx(target: int, rules: str = "", *, text: str | None = None) -> Iterator[int]:
    """Run nginx in front of a port of 127.0.0.1, on both loopback addresses; yield its port."""
    port = free_port()
    servers = _filled(
        text or _NGINX.replace("{{", "{").replace("}}", "}"),
        {
            "{bind}": f"listen 127.0.0.1:{port};" + (f" listen [::1]:{port};" if has_ipv6() else ""),
            "{target}": f"127.0.0.1:{target}",
            "{rules}": rules,
        },
    )
    with tempfile.TemporaryDirectory() as directory:
        temporary = " ".join(f"{name}_temp_path {directory}/{name};" for name in _TEMPORARY)
        file = Path(directory) / "nginx.conf"
        file.write_text(
            _NGINX_AROUND.format(directory=directory, temporary=temporary, servers=servers), encoding="utf-8"
        )
        command = [str(PROGRAMS["nginx"]), "-e", "stderr", "-p", directory, "-c", str(file)]
        with _running(command, port):
            yield port


def free_port() -> int:
    """Return a port that nobody uses, neither on 127.0.0.1 nor on ::1, and that no other test gets.

    It is below those that the kernel gives to outgoing connections and to servers that ask for any port: one
    of them would take it before the proxy does.
    """
    hosts = _LOOPBACK if has_ipv6() else {socket.AF_INET: "127.0.0.1"}
    for _ in range(PORTS_TRIED_MAX):
        port = random.choice(PORTS)  # no secret
        with ExitStack() as stack, suppress(OSError):
            found = [stack.enter_context(socket.socket(family)) for family in hosts]
            for each, host in zip(found, hosts.values(), strict=True):
                each.bind((host, port))
            for each in found:
                _hold(each)
            return port
    raise AssertionError("no port is free on both loopback addresses")


def has_ipv6() -> bool:
    """Return whether this machine has the loopback address of IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _hold(bound: socket.socket) -> None:
    """Keep others from choosing a port as well, while the server for which it was chosen may listen on it.

    Linux lets a server listen beside a socket that is bound and does not listen, if both may share the
    address; servers say so. `free_port` does not say so when it looks.
    """
    if sys.platform == "linux":
        held = bound.dup()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _held.append(held.detach())
        if len(_held) > HELD_MAX:
            os.close(_held.popleft())


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    """Run a proxy until the block ends; wait until it listens."""
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(port, process, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(START_SECONDS_MAX)
            finally:
                process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: object) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as exc:
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)  # type: ignore[attr-defined]
                raise AssertionError(log.read().decode()) from exc  # type: ignore[attr-defined]
            time.sleep(0.02)
        else:
            return
