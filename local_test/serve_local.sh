#!/usr/bin/env bash
# serve_local.sh - serve test_dir/model in a container on port 8080 of this machine; Ctrl-C stops it.
#
# usage: serve_local.sh IMAGE
#
# PORT names another port than 8080.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
readonly here

if [[ $# -ne 1 ]]; then
    echo "usage: serve_local.sh IMAGE" >&2
    exit 2
fi
if [[ ! -d ${here}/test_dir/model ]]; then
    echo "serve_local: there is no model in ${here}/test_dir/model; run train_local.sh first." >&2
    exit 1
fi
exec docker run --rm --publish "127.0.0.1:${PORT:-8080}:8080" --user "$(id -u):$(id -g)" \
    --mount "type=bind,source=${here}/test_dir/model,target=/opt/ml/model,readonly" "$1" serve
