"""The process of a rehearsal that an organizer has started; `reactions.rehearsing` starts and ends it.

Reads its assignment from standard input, where no list of processes shows the secret. Standard input stays
open as long as the process that started it lives.
"""

from __future__ import annotations

import os
import sys

import msgspec

from evently.reactions.rehearsing import Assignment
from evently.rehearsal.plan import run
from evently.rehearsal.started import rehearse_copy

os.nice(15)  # real buyers go first
_assignment = msgspec.json.decode(sys.stdin.buffer.readline(), type=Assignment)
run(rehearse_copy(_assignment, sys.stdin.buffer))
