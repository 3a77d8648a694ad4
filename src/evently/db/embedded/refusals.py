"""Why the embedded PostgreSQL did not start, each in one sentence that the command line shows as it is.

    EmbeddedRefusal
    ├── NoPrograms             no usable PostgreSQL binaries
    ├── DirectoryInUse         somebody else serves this data directory
    ├── DirectoryUnreachable   the path cannot be used by whoever has to
    ├── OtherVersion           the cluster was made by another major version
    └── StartFailed            PostgreSQL itself said no; its words are in the message

None of them leaves anything behind that a next start would stumble over.
"""

from __future__ import annotations


class EmbeddedRefusal(Exception):
    """The server was not started."""


class NoPrograms(EmbeddedRefusal):
    """No usable PostgreSQL binaries."""


class DirectoryInUse(EmbeddedRefusal):
    """Somebody else serves this data directory."""


class DirectoryUnreachable(EmbeddedRefusal):
    """The path cannot be used by whoever has to."""


class OtherVersion(EmbeddedRefusal):
    """The cluster was made by another major version."""


class StartFailed(EmbeddedRefusal):
    """PostgreSQL itself said no."""
