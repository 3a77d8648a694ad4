"""The reasons why the embedded PostgreSQL does not start. The command line shows their texts to people.

    EmbeddedRefusal
    ├── NoPrograms             no usable PostgreSQL binaries
    ├── DirectoryInUse         another process serves this data directory
    ├── DirectoryUnreachable   the system user of PostgreSQL, or this process, cannot use a path
    ├── BackupRefused          a backup cannot be made or restored
    ├── OtherVersion           another major version created the cluster
    └── StartFailed            PostgreSQL failed; the text has its message

After each of them, the next start finds nothing that prevents it.
"""

from __future__ import annotations


class EmbeddedRefusal(Exception):
    """The server was not started."""


class NoPrograms(EmbeddedRefusal):
    """No usable PostgreSQL binaries."""


class DirectoryInUse(EmbeddedRefusal):
    """Another process serves this data directory."""


class DirectoryUnreachable(EmbeddedRefusal):
    """The system user of PostgreSQL, or this process, cannot use a path."""


class OtherVersion(EmbeddedRefusal):
    """Another major version created the cluster."""


class StartFailed(EmbeddedRefusal):
    """PostgreSQL failed to start."""


class BackupRefused(EmbeddedRefusal):
    """A backup cannot be made or restored."""
