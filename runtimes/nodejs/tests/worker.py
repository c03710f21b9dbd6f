"""How the tests start this runtime's shim; the daemon's side of it is tests/support/played.py."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tests", "support"))
import played  # noqa: E402  (needs the path above)

SHIM = os.path.join(os.path.dirname(HERE), "shim.js")


class Worker(played.Worker):
    source = "main.js"

    def __init__(self, directory, command=("node", SHIM), **env):
        super().__init__(directory, command, TMPDIR=directory, **env)


class ShimTest(played.ShimTest):
    def start(self, directory):
        return Worker(directory)
