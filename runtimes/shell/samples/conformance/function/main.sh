#!/bin/sh
# What the conformance suite asks of a language: the last part of the path says what to do.
path=${PATH_INFO:-${NUCLIO_EVENT_PATH:-/${DO:-}}}
released=/tmp/released

# wait_for COMMAND...: until it succeeds.
wait_for() {
  until "$@"; do sleep 0.005; done
}

three_met() {
  set -- /tmp/met-*
  [ $# -ge 3 ]
}

case ${path##*/} in
  echo) exec cat ;;
  say) exec tee /dev/stderr ;;
  child)
    echo "from the function" >&2
    sh -c 'echo from a child; echo and its errors' >&2
    ;;
  raise)
    echo "as asked" >&2
    exit 1
    ;;
  hang) while :; do sleep 1; done ;;
  # Each doubling is more memory of this one process.
  memory)
    kept=xxxxxxxxxxxxxxxx
    while :; do kept=$kept$kept; done
    ;;
  # Waits for two others: comes back only if three calls run at the same time in one worker.
  meet)
    : >"/tmp/met-$$"
    wait_for three_met
    ;;
  release) : >"$released" ;;
  # Half of it comes before anybody has called `release`, the rest after. Up to 64 KiB are held back.
  stream)
    printf '%70000s' ''
    echo first
    wait_for test -e "$released"
    echo last
    ;;
esac
