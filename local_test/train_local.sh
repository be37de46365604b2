#!/usr/bin/env bash
# train_local.sh - train in a container on this machine, as SageMaker does.
#
# usage: train_local.sh IMAGE [DIRECTORY]
#
# DIRECTORY (default: test_dir) is /opt/ml in the container: the job reads its input/ and writes
# model/ and output/. When the job fails, output/failure has the reason. The files that the
# container writes belong to you.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
readonly here

# Print the field source=PATH of --mount, whose fields are written as in CSV.
source_field() {
    local field="source=$1" quote='"'
    [[ ${field} != *[,\"$'\n']* ]] || field=${quote}${field//${quote}/${quote}${quote}}${quote}
    printf '%s' "${field}"
}

if [[ $# -lt 1 || $# -gt 2 ]]; then
    echo "usage: train_local.sh IMAGE [DIRECTORY]" >&2
    exit 2
fi
directory=${2:-${here}/test_dir}
if [[ ! -d ${directory}/input ]]; then
    echo "train_local: there is no directory ${directory}/input; the data and the hyperparameters of the job belong there." >&2
    exit 1
fi
directory=$(CDPATH='' cd -- "${directory}" >/dev/null && pwd)
mkdir -p -- "${directory}/model" "${directory}/output"
exec docker run --rm --user "$(id -u):$(id -g)" \
    --mount "type=bind,$(source_field "${directory}"),target=/opt/ml" "$1" train
