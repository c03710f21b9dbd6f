#!/bin/sh
# Answers HTTP: the body is standard input, the rest is in variables as CGI programs have them.
case $REQUEST_METHOD in
  POST) printf 'received: ' && cat ;;
  *) echo "path: $PATH_INFO, query: $QUERY_STRING" ;;
esac
