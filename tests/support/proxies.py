"""Real HAProxy and nginx on loopback, and the configurations of docs/operations.md."""

from __future__ import annotations

import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations.md"
START_SECONDS_MAX: Final = 20.0
PORTS: Final = range(20_000, 32_000)  # Linux gives away those from 32,768 on, others those from 49,152 on
PORTS_TRIED_MAX: Final = 100
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


def haproxy_version() -> tuple[int, int]:
    """Return the version of HAProxy that is installed."""
    assert PROGRAMS["haproxy"] is not None
    said = subprocess.run([PROGRAMS["haproxy"], "-v"], check=True, capture_output=True, text=True).stdout
    match = re.search(r"version (\d+)\.(\d+)", said)
    assert match is not None, said
    return int(match[1]), int(match[2])


def documented(program: str) -> str:
    """Return the configuration in docs/operations.md, to be served without TLS."""
    match = re.search(rf"```{program}\n(.*?)```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    return (
        re.sub(r" *ssl_certificate.*\n", "", match[1])
        .replace("bind :443 ssl crt /etc/haproxy/tickets.example.pem", "{bind}")
        .replace("listen 443 ssl;", "{bind}")
        .replace("127.0.0.1:8000", "{target}")
    )


@contextmanager
def haproxy(target: int, rules: str = "", *, text: str | None = None, options: str = "") -> Iterator[int]:
    """Run HAProxy in front of a port of 127.0.0.1, on both loopback addresses; yield its port."""
    port = free_port()
    values = {
        "{bind}": f"bind 127.0.0.1:{port}\n    bind [::1]:{port}",
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
            "{bind}": f"listen 127.0.0.1:{port}; listen [::1]:{port};",
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
    """Return a port that nobody listens on, neither on 127.0.0.1 nor on ::1.

    It is below those that the kernel gives to outgoing connections and to servers that ask for any port: one
    of them would take it before the proxy does.
    """
    for _ in range(PORTS_TRIED_MAX):
        port = random.choice(PORTS)  # no secret
        with socket.socket() as first, socket.socket(socket.AF_INET6) as second, suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("::1", port))
            return port
    raise AssertionError("no port is free on both loopback addresses")


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
            process.wait(START_SECONDS_MAX)


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
