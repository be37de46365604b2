#!/usr/bin/env bash
# lock.sh - write the hash-locked requirements (*.txt) of the direct requirements (*.in).
#
# usage: lock.sh [UV_OPTION...]      for example: lock.sh --upgrade
#
# A lock is valid for Python 3.11 to 3.13 on every platform, so that the image, the tests and a
# virtual environment on a laptop use the same versions.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
readonly here

cd -- "${here}"
for name in inference train dev; do
    uv pip compile "$@" \
        --universal --python-version 3.11 --fork-strategy fewest \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command ./lock.sh --quiet \
        --output-file "${name}.txt" "${name}.in"
done
