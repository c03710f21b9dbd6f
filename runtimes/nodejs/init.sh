#!/bin/sh
# PID 1 of a worker. Starts the supervisor, passes SIGTERM on and ends as it ends.
#
# Node reaps only the children it has started itself; a shell that waits reaps whoever is orphaned.
# HOB_INIT tells the supervisor that all processes it can see are this worker's, so that it may end strangers.
if [ "$$" -eq 1 ]; then export HOB_INIT=1; else unset HOB_INIT; fi

# Small heaps: the supervisor keeps no more than a few frames.
node --max-old-space-size=64 --max-semi-space-size=1 "${0%/*}/shim.js" &
supervisor=$!
trap 'kill -TERM "$supervisor" 2>/dev/null' TERM INT

# `wait` also returns when a signal was caught; then the supervisor is still there.
while :; do
  wait "$supervisor"
  code=$?
  kill -0 "$supervisor" 2>/dev/null || exit "$code"
done
