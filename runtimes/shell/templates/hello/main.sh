#!/bin/sh
# Greets whom standard input names; standard output is the answer, standard error the log.
# Try: hob invoke NAME -d Ada
read -r name
echo "greeting ${name:-World}" >&2
echo "${GREETING:-Hello}, ${name:-World}!"
