"""The released command line of the API, unmodified: each command a process, with what it printed and how it ended.

A process is a copy of this one after the client was imported, because the import costs a second and a half each time
and the suite runs a hundred commands. What runs in it is what the installed `openstack` script runs.
"""

import json
import os
import shlex
import sys
import tempfile

from openstackclient import shell


class Ran:
    """What a command did."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __str__(self):
        return f"openstack {self.command} ended with {self.code}\n{self.out}{self.err}"

    def ok(self):
        assert self.code == 0, str(self)
        return self

    def fails(self, words):
        assert self.code != 0 and words in self.err + self.out, str(self)
        return self

    def says(self, *words):
        for word in words:
            assert word in self.out, f"no `{word}` in {self}"
        return self


class Client:
    """Somebody at a terminal, in a folder."""

    def __init__(self, url, folder, auth=None, environment=None):
        self.folder = folder
        self.environment = environment or {}
        self.auth = auth if auth is not None else ["--os-auth-type", "none", "--os-endpoint", url]

    def run(self, command):
        """Runs a command as it would be typed."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                self._become(shlex.split(command), out, err)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return Ran(command, code, contents(out), contents(err))

    def ok(self, command):
        return self.run(command).ok()

    def json(self, command):
        """What it prints with `-f json`; one object, or a list."""
        return json.loads(self.ok(f"{command} -f json").out)

    def _become(self, words, out, err):
        os.chdir(self.folder)
        for name in [name for name in os.environ if name.startswith(("OS_", "QINLING_"))]:
            del os.environ[name]
        os.environ.update(self.environment)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout = open(1, "w", closefd=False)
        sys.stderr = open(2, "w", closefd=False)
        code = 70
        try:
            code = shell.main(self.auth + words)
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 1)


def contents(file):
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def column(rows, name):
    """One column of a list; whatever the case of its head."""
    return [next(value for key, value in row.items() if key.lower() == name.lower()) for row in rows]
