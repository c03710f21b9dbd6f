"""A program of a user's own for the suites: what it does, its first argument says. Runs once and ends."""

import os
import sys
import time

arguments = sys.argv[1:]
action = arguments[0] if arguments else "nothing"

if action == "exit":
    print("before the end", flush=True)
    print("complaint", file=sys.stderr, flush=True)
    sys.exit(int(arguments[1]))
elif action == "print":
    sys.stdout.write("x" * int(arguments[1]))
elif action == "hang":
    print("hanging", flush=True)
    time.sleep(600)
elif action == "memory":
    kept = [b"x" * (1 << 20) for _ in range(int(arguments[1]))]
    print(len(kept))
elif action == "wait":
    open(arguments[1], "w").close()
    while not os.path.exists(arguments[2]):
        time.sleep(0.005)
    print("waited")
elif action == "run":
    exec(arguments[1])
else:
    sys.stdout.write(f"{arguments} {os.environ.get('GREETING', '')}\n")
    sys.stdout.flush()
    print("on the side", file=sys.stderr)
