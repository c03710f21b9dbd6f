#!/bin/sh
# Work for the processor: counts the primes below the number on standard input, so that limits and timings can be seen.
read -r n
n=${n:-20000}
primes=$(seq 2 "$((n - 1))" | factor | grep -c '^[0-9]*: [0-9]*$')
echo "{\"below\": $n, \"primes\": $primes}"
