"""Starts the shim. Only a door: a script is compiled at every start, a package is not.

The work is in the package `hob_shim` beside this file. See `../README.md` for the contract.
"""

import sys

_HERE = __file__.rpartition("/")[0] or "."
sys.path.insert(0, _HERE)
from hob_shim import python, supervisor  # noqa: E402  (needs the path above)

sys.path.remove(_HERE)

if __name__ == "__main__":
    supervisor.main(python)
