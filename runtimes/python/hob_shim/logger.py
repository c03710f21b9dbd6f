"""`context.logger` of the convention `context-event`: lines on the call's standard error, and the same
records as JSON for a caller who asks. Source: the contract's sections 12.5, 12.6 and 12.8.
"""

import json
import sys
from time import localtime, strftime, time

_LEVELS = {"debug": 0, "info": 1, "warn": 2, "warning": 2, "error": 3}
_NAME_WIDTH = 24  # of the logger's name in a line
_LARGEST = 4096  # bytes; records that need more in a header are left out of it


class Logger:
    """Writes from `level` on; an unknown level means `debug`."""

    def __init__(self, level="debug", name=""):
        self._level = level_number(level)
        self._name = name
        self._bound = {}
        self._wanted = None  # the caller's level while one asks
        self._records = []

    def debug(self, message, *args):
        self._log("debug", message, args, {})

    def info(self, message, *args):
        self._log("info", message, args, {})

    def warn(self, message, *args):
        self._log("warn", message, args, {})

    def error(self, message, *args):
        self._log("error", message, args, {})

    def debug_with(self, message, *args, **fields):
        self._log("debug", message, args, fields)

    def info_with(self, message, *args, **fields):
        self._log("info", message, args, fields)

    def warn_with(self, message, *args, **fields):
        self._log("warn", message, args, fields)

    def error_with(self, message, *args, **fields):
        self._log("error", message, args, fields)

    warning = warn
    warning_with = warn_with

    def bind(self, **fields):
        """Adds these fields to every record from now on."""
        self._bound.update(fields)

    def collect(self, level):
        """Keeps the records from this level on, for `collected`; None keeps none."""
        self._wanted = None if level is None else level_number(level)
        self._records = []

    def collected(self):
        """The records kept, as a JSON array for a header; None when there is none or they are too many."""
        if self._wanted is None:
            return None
        text = to_json(self._records)
        self.collect(None)
        return text if len(text) < _LARGEST else None

    def _log(self, level, message, args, fields):
        number, now = _LEVELS[level], time()
        if self._bound:
            fields = dict(fields, **self._bound)
        shown = number >= self._level
        wanted = self._wanted is not None and number >= self._wanted
        if not shown and not wanted:
            return
        text = _filled_in(message, args)
        if shown:
            self._write(level, now, text, fields)
        if wanted:
            record = {"level": level, "time": round(now * 1000, 3), "name": self._name, "message": text}
            self._records.append(dict(fields, **record))

    def _write(self, level, now, text, fields):
        clock = "%s.%03d" % (strftime("%y.%m.%d %H:%M:%S", localtime(now)), now % 1 * 1000)
        more = " " + to_json(fields) if fields else ""
        sys.stderr.write("%s %s (%s) %s%s\n" % (clock, self._name.rjust(_NAME_WIDTH), level[0].upper(), text, more))


def level_number(level):
    """How serious a level is; what is no level's name counts as `debug`."""
    return _LEVELS.get(str(level).lower(), 0)


def to_json(value):
    """JSON of anything: what JSON cannot say is said as its `repr`, not-a-number as a string."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(_without_nan(value))


def _say(value):
    try:
        return repr(value)
    except Exception:  # a user's __repr__ may do anything
        return "<%s>" % type(value).__name__


def _without_nan(value):
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(each) for each in value]
    return value


def _filled_in(message, args):
    """As `message % args`; a message that does not fit its arguments is logged with them behind it."""
    if not args:
        return str(message)
    try:
        return str(message) % args
    except (TypeError, ValueError):
        return "%s %s" % (message, " ".join(map(_say, args)))


_encode = json.JSONEncoder(allow_nan=False, default=_say).encode
