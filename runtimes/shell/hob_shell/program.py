"""An entry as a command line. Starts nothing.

An entry is a file of the code (`main.sh`, `bin/tool`, also with `:anything` behind it), or else a command:
a program in PATH, with arguments if need be.
"""

import os

from hob_shim.failures import LoadError

_SHELL = "/bin/sh"
_HEAD = 256  # bytes; longer first lines are cut by the kernel too


def find(entry, code):
    """The command line: a list, the first of it a path. Raises LoadError."""
    file = _file(entry, code)
    return _of_file(file, entry) if file else _of_command(entry, code)


def _file(entry, code):
    before = entry.partition(":")[0]
    for name in (entry, before, before + ".sh"):
        path = os.path.join(code, name)
        if os.path.isfile(path):
            return path
    return None


def _of_file(path, entry):
    """As the kernel would, but a script need not be executable: archives often lose that."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"#!"):
        return _interpreter(head, entry) + [path]
    if not head.startswith(b"\x7fELF"):
        return [_SHELL, path]
    if not os.access(path, os.X_OK):
        raise LoadError("PermissionError", "`%s` is a program but not executable; `chmod +x` it before you pack it" % entry)
    return [path]


def _interpreter(head, entry):
    words = head[2:].split(b"\n")[0].decode("utf-8", "surrogateescape").strip().split(None, 1)
    if not words or not os.access(words[0], os.X_OK):
        raise LoadError("FileNotFoundError", "the first line of `%s` asks for `%s`, which this runtime does not have; name"
                        " another, e.g. #!/bin/sh" % (entry, " ".join(words)))
    return words


def _of_command(entry, code):
    words = entry.split()
    path = _in_path(words[0]) if words else None
    if path is None:
        raise LoadError("FileNotFoundError", "there is no file `%s` in the code and no such program in PATH; at the top of"
                        " the code there %s" % (entry, _list(code)))
    if len(words) == 1:
        return [path]
    return [_SHELL, "-c", entry + ' "$@"', words[0]]


def _in_path(name):
    folders = [""] if "/" in name else os.environ.get("PATH", os.defpath).split(":")
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _list(code):
    found = sorted(os.listdir(code))[:10]
    return "are: " + ", ".join(found) if found else "is nothing"
