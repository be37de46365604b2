#!/usr/bin/env bash
# lock.sh - write the hash-locked requirements (sdk2.txt, sdk3.txt) of the SageMaker Python SDK.
#
# usage: lock.sh [UV_OPTION...]      for example: lock.sh --upgrade
#
# Each version has its own virtual environment, because they exclude each other.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
readonly here

cd -- "${here}"
for name in sdk2 sdk3; do
    uv pip compile "$@" \
        --universal --python-version 3.11 --fork-strategy fewest \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command ./lock.sh --quiet \
        --output-file "${name}.txt" "${name}.in"
done
