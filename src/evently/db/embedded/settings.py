"""The settings of the server.

The settings that make a commit durable keep their defaults: on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from evently.db.embedded.programs import Programs

_MEGABYTE: Final = 1024 * 1024
_SHARED_BUFFERS_MIN: Final = 128  # MB; the default of PostgreSQL
# MB; many times the hot rows of the largest sale. The page cache holds the rest
_SHARED_BUFFERS_MAX: Final = 512
_SHARED_BUFFERS_PART: Final = 8  # an eighth of the memory, because the application runs on the same machine
_CGROUP_MEMORY: Final = Path("/sys/fs/cgroup/memory.max")


def server_settings(programs: Programs, socket_directory: Path, tcp_port: int | None) -> dict[str, str]:
    """Return the settings by name."""
    settings = {
        "unix_socket_directories": str(socket_directory),
        "unix_socket_permissions": "0700",
        "listen_addresses": "" if tcp_port is None else "127.0.0.1",
        "port": "5432" if tcp_port is None else str(tcp_port),
        "max_connections": "200",  # for several worker processes, each with a pool
        "shared_buffers": f"{_shared_buffers_megabytes()}MB",
        "wal_buffers": "16MB",
        "wal_compression": "pglz",
        # With the next line: a rush, which writes about 1 kB per booking, causes no checkpoint
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "jit": "off",  # statements are short: to compile them costs more than to run them
        "max_parallel_workers_per_gather": "0",  # a report takes one core, never that of a sale
        "random_page_cost": "1.1",  # solid-state disks
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",  # this package parses the messages of the server
        "logging_collector": "on",
        "log_directory": "log",
        "log_filename": "postgres-%a.log",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",  # so at most the files of one week exist
        "log_line_prefix": "%m [%p] %a ",
        "log_min_error_statement": "panic",  # statements carry personal data
        "log_parameter_max_length_on_error": "0",
    }
    if sys.platform == "linux":
        settings["client_connection_check_interval"] = "2s"  # a client that gives up drops its connection
    if programs.has_library("pg_stat_statements"):
        settings["shared_preload_libraries"] = "pg_stat_statements"
    return settings


def _shared_buffers_megabytes() -> int:
    return max(_SHARED_BUFFERS_MIN, min(_SHARED_BUFFERS_MAX, _memory_megabytes() // _SHARED_BUFFERS_PART))


def _memory_megabytes() -> int:
    """Return the memory of the machine, or the memory limit of the container."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if sys.platform == "linux" and _CGROUP_MEMORY.exists():
        limit = _CGROUP_MEMORY.read_text(encoding="ascii").strip()
        machine = machine if limit == "max" else min(machine, int(limit))
    return machine // _MEGABYTE
