#!/usr/bin/env bash
# predict.sh - send a file to the server on this machine and print the predictions.
#
# usage: predict.sh PAYLOAD [CONTENT_TYPE]
#
# CONTENT_TYPE is that of the file (default: text/csv), PORT the port of the server (default: 8080).
set -euo pipefail

if [[ $# -lt 1 || $# -gt 2 ]]; then
    echo "usage: predict.sh PAYLOAD [CONTENT_TYPE]" >&2
    exit 2
fi
if [[ ! -r $1 ]]; then
    echo "predict: the file $1 does not exist or cannot be read." >&2
    exit 1
fi
exec curl --silent --show-error --fail-with-body --noproxy '*' \
    --header "Content-Type: ${2:-text/csv}" --data-binary "@$1" \
    "http://127.0.0.1:${PORT:-8080}/invocations"
