"""An audit in a process of its own, so that the process that sells is not busy with it.

Reads the options of the database from standard input, where no list of processes shows the password; writes
the findings to standard output, as JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

from evently.audit import audit
from evently.db import DatabaseOptions

os.nice(10)  # buyers go first
_options = msgspec.json.decode(sys.stdin.buffer.read(), type=DatabaseOptions)
sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(audit(_options))))
