"""Python's own part of the shim: finds the entry in the code and imports it.

An entry is MODULE.FUNCTION (`main.main`, `a.b.c`), PATH/TO/FILE.FUNCTION (the file's folder becomes the
first place for modules) or MODULE:FUNCTION (any name that a file may have).
"""

import os
import sys

from .failures import LoadError

NAME = "python"
VERSION = "%d.%d.%d" % sys.version_info[:3]
STREAMS_INPUT = False
DEFAULT_CONVENTION = "kwargs"
# Each is a module of this package, imported when it is wanted.
CONVENTIONS = {"kwargs": "kwargs", "event-context": "event_context", "context-event": "context_event"}

_OPT = __file__.rpartition("/")[0].rpartition("/")[0]
_DEPENDENCIES = _OPT + "/deps"
_THIRD_PARTY = ("site-packages", "dist-packages")  # how folders of installed packages are called


def prepare(load):
    """Imports the entry and wraps it in its calling convention."""
    convention = _convention(load.get("convention"))
    code = load["path"]
    folder, module, attribute = _entry(load.get("entry") or convention.DEFAULT_ENTRY, code)
    _set_environment(load.get("env") or {})
    os.chdir(code)
    _set_path(code, folder, convention)
    __import__(module)
    return convention.prepare(_find(sys.modules[module], attribute), load)


def explain(load, error):
    """A message for an entry that has no file, or for a library that is not there. Else None."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    entry = load.get("entry") or _convention(load["convention"]).DEFAULT_ENTRY
    folder, module, _ = _entry(entry, load["path"])
    if module != error.name and not module.startswith(error.name + "."):
        return "%s; name it in requirements.txt, or put it beside the code" % error
    found = sorted(name for name in os.listdir(load["path"]) if name.endswith(".py"))
    return "%s; the entry `%s` needs a file %s.py, and at the top of the code there %s" % (
        error, entry, os.path.join(folder, module.replace(".", "/")),
        "are: " + ", ".join(found[:10]) if found else "is no Python file at all")


def _convention(name):
    if name not in CONVENTIONS:
        raise LoadError("ValueError", "the calling convention `%s` is not known to this runtime; it has: %s"
                        % (name, ", ".join(sorted(CONVENTIONS))))
    module = "%s.%s" % (__package__, CONVENTIONS[name])
    __import__(module)
    return sys.modules[module]


def _entry(entry, code):
    """(folder below the code, module, attribute)."""
    if ":" in entry:
        path, _, attribute = entry.rpartition(":")
        if path.endswith(".py"):
            path = path[:-3]
    else:
        path, _, attribute = entry.rpartition(".")
        if attribute == "py" and os.path.isfile(os.path.join(code, entry)):
            attribute = "handle"  # a file was named and no function
    folder, _, module = path.rpartition("/")
    if not module or not attribute:
        raise LoadError("ValueError", "the entry `%s` is not MODULE.FUNCTION; the usual one is `main.main`" % entry)
    return folder, module, attribute


def _set_environment(env):
    """The root is read-only and the user has no home: /tmp is the one place to write to."""
    os.environ.update(HOME="/tmp", TMPDIR="/tmp", PYTHONDONTWRITEBYTECODE="1")
    os.environ.update({str(key): str(value) for key, value in env.items()})


def _set_path(code, folder, convention):
    """The code first, then the standard library, the dependencies, and what the image brought along."""
    own = [os.path.join(code, folder)] if folder else []
    own += [code] + [os.path.join(code, name) for name in convention.CODE_FOLDERS]
    own = [path for path in own if os.path.isdir(path)]
    if os.path.isdir(_DEPENDENCIES):
        _add_dependencies()
        os.environ.setdefault("PYTHONPATH", ":".join(own + [_DEPENDENCIES]))
    else:
        os.environ.setdefault("PYTHONPATH", ":".join(own))
    sys.path[:0] = own
    sys.path.extend(convention.LIBRARIES)


def _add_dependencies():
    """As installed packages: `.pth` files count, and newer ones hide those of the image."""
    import site
    before = sys.path[:]
    site.addsitedir(_DEPENDENCIES)
    added = [path for path in sys.path if path not in before]
    at = next((index for index, path in enumerate(before) if path.endswith(_THIRD_PARTY)), len(before))
    sys.path[:] = before[:at] + added + before[at:]


def _find(module, attribute):
    name = module.__name__
    try:
        function = getattr(module, attribute)
    except AttributeError:
        own = sorted(key for key, value in vars(module).items()
                     if callable(value) and getattr(value, "__module__", None) == name)
        raise LoadError(
            "AttributeError", "module '%s' has no attribute '%s'; %s" % (name, attribute, _offer(name, own))) from None
    if not callable(function):
        raise LoadError(
            "TypeError", "'%s.%s' is not callable, it is of type %s; let the entry name a function"
            % (name, attribute, type(function).__name__))
    return function


def _offer(module, functions):
    if not functions:
        return "define it there, or let the entry name another module"
    return "define it, or let the entry be one of: " + ", ".join(
        "%s.%s" % (module, function) for function in functions[:10])
