"""How the tests start this runtime's shim; the daemon's side of it is tests/support/played.py."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tests", "support"))
import played  # noqa: E402  (needs the path above)

RUNTIME = os.path.join(HERE, "..")


def install(parts, directory):
    """Puts files and folders of the tree together as an image has them in /opt/hob. The shim's path."""
    os.mkdir(directory)
    for part in parts:
        os.symlink(os.path.abspath(part), os.path.join(directory, os.path.basename(part)))
    return os.path.join(directory, "shim.py")


class Worker(played.Worker):
    source = "main.py"

    def __init__(self, directory, parts):
        self.opt = os.path.join(directory, "opt")
        super().__init__(directory, [sys.executable, "-I", "-B", install(parts, self.opt)])


class ShimTest(played.ShimTest):
    PARTS = [os.path.join(RUNTIME, name) for name in ("shim.py", "hob_shim")]

    def start(self, directory):
        return Worker(directory, self.PARTS)
