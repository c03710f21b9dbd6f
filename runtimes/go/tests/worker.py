"""What the tests stand on: the Go tool, programs built of a few lines of code, and how the shim is started; the
daemon's side of it is tests/support/played.py.

The Go tool is the one in PATH; where there is none, everything that needs it runs in the container image
that builds functions, at the same paths. Nothing is skipped silently: with neither, the tests fail.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap

KIT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(KIT, "..", "..", "tests", "support"))
import played  # noqa: E402  (needs the path above)

BUILD_IMAGE = "hob-base/go-build"
PATIENCE = 30  # seconds

WORK = tempfile.mkdtemp(prefix="hob-go-")
atexit.register(shutil.rmtree, WORK, ignore_errors=True)
SHIM = os.path.join(WORK, "shim")
BUILD = os.path.join(WORK, "build")


def go(command, directory, **environment):
    """Runs a command that needs the Go tool: (exit code, what it said)."""
    environment = dict(environment, CGO_ENABLED="0", GOFLAGS="-buildvcs=false", GOPROXY="off")
    if not shutil.which("go"):
        environment.update(HOME=WORK, GOCACHE=os.path.join(WORK, "cache"))
        command = (["docker", "run", "--rm", "--network", "none", "-v", "%s:%s" % (WORK, WORK), "-v", "%s:%s:ro" % (KIT, KIT),
                    "-w", directory, "-u", "%d:%d" % (os.getuid(), os.getgid())]
                   + [word for item in environment.items() for word in ("-e", "%s=%s" % item)] + [BUILD_IMAGE] + command)
    done = subprocess.run(command, cwd=directory, env=dict(os.environ, **environment), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def must(result):
    code, said = result
    assert code == 0, said
    return said


def tools():
    """Builds the shim and the build command, once."""
    if not os.path.exists(SHIM):
        must(go(["go", "build", "-trimpath", "-o", BUILD, "./build"], KIT))
        must(go(["go", "build", "-trimpath", "-o", SHIM, "./shim"], KIT))


def write(directory, files):
    for name, text in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(textwrap.dedent(text))


class Built:
    """A function's code and what was built of it."""

    def __init__(self, files=None, directory=None):
        tools()
        self.place = tempfile.mkdtemp(dir=WORK)
        self.code, self.deps = os.path.join(self.place, "code"), os.path.join(self.place, "deps")
        copy = os.path.join(self.place, "copy")
        if directory:
            shutil.copytree(directory, self.code)
        else:
            os.mkdir(self.code)
            write(self.code, files)
        shutil.copytree(self.code, copy)
        self.exit, self.said = go([BUILD, "programs", copy, KIT, self.deps], copy)

    def must(self):
        assert self.exit == 0, self.said
        return self


_built = {}


def built(name, files=None, directory=None):
    """The code of that name, built once for all tests."""
    if name not in _built:
        _built[name] = Built(files, directory).must()
    return _built[name]


class Link(played.Link):
    LOAD = dict(played.Link.LOAD, entry="", timeout_ms=20000,
                function={"name": "f", "namespace": "n", "version": 3, "memory_mib": 256})
    INVOKE = dict(played.Link.INVOKE, timeout_ms=20000)


class Worker(played.Worker):
    link_kind = Link
    patience = PATIENCE

    def __init__(self, deps):
        tools()
        super().__init__(tempfile.mkdtemp(dir=WORK), [SHIM], HOB_DEPS=deps)
