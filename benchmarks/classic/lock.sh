#!/usr/bin/env bash
# lock.sh - write the hash-locked requirements.txt, with the versions of the program's own lock.
#
# usage: lock.sh [UV_OPTION...]
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
readonly here

cd -- "${here}"
uv pip compile "$@" \
    --universal --python-version 3.11 --fork-strategy fewest \
    --constraint ../../decision_trees/requirements/train.txt \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
    --custom-compile-command ./lock.sh --quiet \
    --output-file requirements.txt requirements.in
