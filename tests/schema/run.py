"""The native API against its own description: schemathesis makes requests from `/hob/v1/openapi.json`, right and wrong ones,
and none may be answered with a fault of the daemon's.

Usage: run.py [MAX_EXAMPLES]    HOB_BIN is the program; the environment with schemathesis is made beside it
"""

import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "soak"))
from daemon import Daemon  # noqa: E402

# They end the daemon, or shut everybody without the new token out: what comes after would test nothing.
LEFT_OUT = ["/hob/v1/stop", "/hob/v1/tokens"]
BUDGET_S = 45


def program():
    """schemathesis, installed when what it should be has changed."""
    place = pathlib.Path(os.environ["HOB_BIN"]).resolve().parent.parent / "schema"
    wanted, installed = HERE / "requirements.txt", place / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted.read_text():
        subprocess.run(["python3", "-m", "venv", "--clear", place], check=True)
        subprocess.run([place / "bin/python", "-m", "pip", "install", "--quiet", "--requirement", wanted], check=True)
        installed.write_text(wanted.read_text())
    return place / "bin/st"


def run(daemon, examples):
    command = [program(), "run", f"http://{daemon.address}/hob/v1/openapi.json"]
    command += ["--checks", "not_a_server_error", "--max-examples", str(examples), "--max-time", str(BUDGET_S)]
    command += ["--phases", "examples,coverage,fuzzing", "--seed", "7", "--request-timeout", "20", "--no-color"]
    command += ["--warnings", "off", "--suppress-health-check", "all", "--continue-on-failure"]
    command += ["--exclude-path-regex", f"^({'|'.join(LEFT_OUT)})"]
    return subprocess.run(command, capture_output=True, text=True, cwd=daemon.home)


def main():
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    settings = {"HOB_ENGINE_OFFLINE": "true", "HOB_POOL_PREWARM": "0", "HOB_BUILD_FUNCTION_IMAGES": "false"}
    with Daemon(**settings) as daemon:
        done = run(daemon, examples)
        alive = daemon.ask("GET", "/healthz")[0] == 200
    print(done.stdout + done.stderr)
    tested = re.search(r"Tested:?\s+(\d+)", done.stdout)
    good = done.returncode == 0 and alive and tested is not None and int(tested[1]) > 40
    print(f"test result: {'ok' if good else 'FAILED'}. {int(good)} passed; {int(not good)} failed;")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
