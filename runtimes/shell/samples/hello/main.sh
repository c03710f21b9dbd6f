#!/bin/sh
# The smallest useful function: greets whom it is told to.
read -r name
echo "greeting ${name:-World}" >&2
echo "Hello, ${name:-World}!"
