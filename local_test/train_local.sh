#!/usr/bin/env bash
# train_local.sh - train in a container on test_dir, as the platform does on /opt/ml.
#
# usage: train_local.sh IMAGE
#
# Reads test_dir/input, writes test_dir/model and, when the job fails, test_dir/output/failure.
# What the container writes belongs to you.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
readonly here

if [[ $# -ne 1 ]]; then
    echo "usage: train_local.sh IMAGE" >&2
    exit 2
fi
mkdir -p -- "${here}/test_dir/model" "${here}/test_dir/output"
exec docker run --rm --user "$(id -u):$(id -g)" \
    --mount "type=bind,source=${here}/test_dir,target=/opt/ml" "$1" train
