#!/bin/sh
# Runs hob as the user of that name, in the group that may use the engine's socket. Started as another user (`user:` in a
# compose file), it stays that one: `group_add:` names the socket's group then.
set -eu

socket=/var/run/docker.sock
state=${HOB_DATA_DIR:-/var/lib/hob}

[ "$(id -u)" -eq 0 ] || exec hob "$@"

if [ ! -S "$socket" ]; then
  echo "hob: no engine: mount its socket, -v /var/run/docker.sock:$socket" >&2
  exit 2
fi
[ "$(stat -c %u "$state")" -eq "$(id -u hob)" ] || chown hob:hob "$state"
exec setpriv --reuid=hob --regid=hob --groups="$(id -g hob),$(stat -c %g "$socket")" hob "$@"
