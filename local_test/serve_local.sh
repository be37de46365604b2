#!/usr/bin/env bash
# serve_local.sh - serve a model in a container on port 8080 of this machine; Ctrl-C stops it.
#
# usage: serve_local.sh IMAGE [DIRECTORY]
#
# The model is DIRECTORY/model; the default is test_dir/model, which train_local.sh writes. PORT is
# the port of the server on this machine (default: 8080).
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
    echo "usage: serve_local.sh IMAGE [DIRECTORY]" >&2
    exit 2
fi
model=${2:-${here}/test_dir}/model
if [[ ! -d ${model} ]]; then
    echo "serve_local: there is no model in ${model}; run train_local.sh first." >&2
    exit 1
fi
model=$(CDPATH='' cd -- "${model}" >/dev/null && pwd)
exec docker run --rm --publish "127.0.0.1:${PORT:-8080}:8080" --user "$(id -u):$(id -g)" \
    --mount "type=bind,$(source_field "${model}"),target=/opt/ml/model,readonly" "$1" serve
