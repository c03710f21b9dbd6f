#!/bin/sh
# Counts the words of a text and answers the most frequent ones as JSON.
# The text is standard input, the answer standard output; what goes to standard error is the call's log.
set -eu

most=${MOST:-5}

words() {
  tr -cs '[:alpha:]' '\n' | tr '[:upper:]' '[:lower:]' | sed '/^$/d'
}

counted=$(mktemp)
trap 'rm -f "$counted"' EXIT
words | sort | uniq -c | sort -k1,1nr -k2 >"$counted"

awk -v most="$most" '
  { all += $1 }
  NR <= most { top = top (NR > 1 ? ", " : "") "{\"word\": \"" $2 "\", \"times\": " $1 "}" }
  END { printf "{\"words\": %d, \"different\": %d, \"most_frequent\": [%s]}\n", all, NR, top }
' "$counted"
echo "counted" >&2
