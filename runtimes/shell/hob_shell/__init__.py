"""The shell's own part of the shim: a function is a program, a call is one process of it.

    program      the entry as a command line
    process      one call's process: input in, output out, no zombie
    conventions  what a program is told of its call, and how its output becomes an answer

The rest of the shim is Python's, see `hob_shim`. A call's process lives in its slot's session and process
group, so it ends with the slot at the deadline.
"""

import os

from hob_shim.failures import LoadError

from . import conventions, process, program

NAME = "shell"
VERSION = "debian"
CONVENTIONS = conventions.CONVENTIONS
DEFAULT_CONVENTION = "kwargs"
STREAMS_INPUT = True

DEFAULT_ENTRY = "main.sh"


def prepare(load):
    """Finds the program and wraps it in its calling convention."""
    name = load.get("convention")
    if name not in CONVENTIONS:
        raise LoadError("ValueError", "the calling convention `%s` is not known to this runtime; it has: %s"
                        % (name, ", ".join(sorted(CONVENTIONS))))
    os.environ.update(HOME="/tmp", TMPDIR="/tmp")
    os.environ.update({str(key): str(value) for key, value in (load.get("env") or {}).items()})
    os.chdir(load["path"])
    entry = load.get("entry") or DEFAULT_ENTRY
    command = program.find(entry, load["path"])
    process.watch_children()
    return CONVENTIONS[name](command, dict(load, entry=entry))


def explain(_load, _error):
    """Failed loads are in words already."""
    return None
