"""Starts the shim. Only a door: a script is compiled at every start, a package is not.

The work is in the packages beside this file: `hob_shell`, and Python's `hob_shim`. See `../README.md` for the contract.
"""

import sys

_HERE = __file__.rpartition("/")[0] or "."
sys.path.insert(0, _HERE)
import hob_shell  # noqa: E402  (needs the path above)
from hob_shim import supervisor  # noqa: E402

sys.path.remove(_HERE)

if __name__ == "__main__":
    supervisor.main(hob_shell)
