"""Exceptions as the daemon wants to read them: kind, type, message, traceback. Never raises.

`traceback` is imported at the first failure only (it costs 4 ms), and from the standard library for sure: a user's
`token.py` must neither break it nor be hidden by it.
"""

import sys

_SHIM = __file__.rpartition("/")[0] + "/"
_MESSAGE_LIMIT = 16 * 1024  # characters; all of this travels in a frame header
_TRACEBACK_LIMIT = 64 * 1024
_own_modules = {}  # what we imported since user code came, by name
_standard_path = list(sys.path)
_standard_modules = frozenset(sys.modules)


class Told(Exception):
    """A failure told in words, without a traceback. `of` is the name of the exception it stands for."""

    of = "Error"


class BadInput(Told):
    """The caller's input does not fit the convention."""

    of = "ValueError"


class NotJson(Told):
    """The function's result cannot be said in the form that the convention demands."""

    of = "TypeError"


class LoadError(Told):
    """The code does not have what the entry names."""

    def __init__(self, of, message):
        super().__init__(message)
        self.of = of


class Failed(Told):
    """The function has failed, and is not Python: `of` is what its own language calls it."""

    def __init__(self, of, message):
        super().__init__(message)
        self.of = of


def describe(kind, error, message=None):
    """The `error` object of a reply or loaded frame."""
    told = isinstance(error, Told)
    return {
        "kind": kind,
        "type": error.of if told else type(error).__name__,
        "message": _cut(message if message is not None else _text(error), _MESSAGE_LIMIT),
        "traceback": "" if told else _cut(_format(error), _TRACEBACK_LIMIT),
    }


def _text(error):
    try:
        return str(error)
    except BaseException:  # a user's __str__ may do anything
        return "(the exception cannot be printed)"


def _cut(text, limit):
    if len(text) <= limit:
        return text
    half = limit // 2
    return "%s\n... %d characters left out ...\n%s" % (text[:half], len(text) - limit, text[-half:])


def _format(error):
    try:
        return _among_standard_modules(lambda: _format_among(error))
    except BaseException:  # a traceback is worth less than an answer
        return "%s: %s\n" % (type(error).__name__, _text(error))


def _format_among(error):
    import traceback
    report = traceback.TracebackException.from_exception(error)
    _strip(report, set())
    return "".join(report.format())


def _strip(report, seen):
    """Leaves out our own frames and the import machinery's."""
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    report.stack[:] = list(_users_frames(report.stack))
    _strip(report.__cause__, seen)
    _strip(report.__context__, seen)
    for inner in getattr(report, "exceptions", None) or ():
        _strip(inner, seen)


def _users_frames(stack):
    """Those of the event loop that we called are ours too."""
    ours = False
    for frame in stack:
        ours = (frame.filename.startswith((_SHIM, "<frozen importlib"))
                or ours and frame.name == "run_until_complete")
        if not ours:
            yield frame


def _among_standard_modules(action):
    """Runs `action` as if no user code were there, and leaves no trace of having done so.

    Around all of it, not only the import: `traceback` imports more when it is used.
    """
    here, path = dict(sys.modules), sys.path[:]
    for name in here.keys() - _standard_modules:
        del sys.modules[name]
    sys.modules.update(_own_modules)
    sys.path[:] = _standard_path
    try:
        return action()
    finally:
        sys.path[:] = path
        for name in sys.modules.keys() - _standard_modules:
            _own_modules[name] = sys.modules.pop(name)
        sys.modules.update(here)
