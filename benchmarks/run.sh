#!/usr/bin/env bash
# run.sh - compare this container with the classic stack; print a table and write it as JSON.
#
# usage: run.sh [--only PATTERN] [--quick] [--json FILE] [--no-docker]
#
# --only measures the figures whose names match PATTERN, a regular expression; --quick measures
# fewer rounds, for development; the default of --json is benchmark.json next to this script.
# Without a Docker engine, or with --no-docker, images are not measured. The script needs wrk and
# curl. Exit codes: 0 if all goals are met, 1 if one is missed, 70 if something failed.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
root=$(cd -- "${here}/.." >/dev/null && pwd)
readonly here root
readonly classic_venv=${root}/.venv/classic
readonly images=decision-trees-benchmark
readonly base_image=${BASE_IMAGE:-debian:trixie-slim}
readonly unavailable=69 broken=70
log=$(mktemp)
readonly log

usage() {
    echo "usage: run.sh [--only PATTERN] [--quick] [--json FILE] [--no-docker]" >&2
    exit 2
}

say() {
    printf '%s\n' "benchmark: $*" >&2
}

fail() {
    say "$@"
    exit "${broken}"
}

require() {
    command -v "$1" >/dev/null || fail "$1 is not on PATH; on Debian and Ubuntu: apt-get install $1"
}

# The classic stack has its own virtual environment, with only its own packages.
make_classic_environment() {
    local lock=${here}/classic/requirements.txt
    if cmp -s -- "${lock}" "${classic_venv}/installed"; then
        return
    fi
    say "installing the packages of the classic stack (takes about a minute, only once)"
    rm -rf -- "${classic_venv}"
    "${root}/.venv/bin/python" -m venv "${classic_venv}"
    "${classic_venv}/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes \
        --only-binary :all: --requirement "${lock}" \
        || fail "pip could not install the packages of the classic stack; see its message above."
    cp -- "${lock}" "${classic_venv}/installed"
}

# Build with the first client on PATH that supports BuildKit: Debian's client has no buildx.
build_classic_image() {
    local client options=(--tag "${images}-classic" --build-arg "BASE_IMAGE=${base_image}")
    if [[ -f ${SSL_CERT_FILE-} ]]; then
        options+=(--secret "id=ca-bundle,src=${SSL_CERT_FILE}")
    fi
    while read -r client; do
        if DOCKER_BUILDKIT=1 "${client}" build "${options[@]}" "${here}/classic"; then
            return
        fi
    done < <(type -ap docker)
    return 1
}

# Return a status other than 0 if no Docker engine is available; the reason is printed.
build_images() {
    local target status=0
    say "building the images (takes minutes the first time)"
    for target in full inference; do
        "${root}/build_and_push.sh" --build-only "${images}-${target}" --target "${target}" \
            >"${log}" 2>&1 || status=$?
        case ${status} in
            0) ;;
            "${unavailable}")
                say "continuing without images: $(tail -n 1 -- "${log}")"
                return 1
                ;;
            *) fail_to_build "${target}" ;;
        esac
    done
    build_classic_image >"${log}" 2>&1 || fail_to_build classic
    docker tag "${base_image}" "${images}-base" || fail "the base image ${base_image} is missing."
}

fail_to_build() {
    tail -n 40 -- "${log}" >&2
    fail "could not build the image $1; see the end of its log above." \
        "Use --no-docker to measure without images."
}

main() {
    trap 'rm -f -- "${log}"' EXIT
    local arguments=() json=${here}/benchmark.json docker=yes
    while [[ $# -gt 0 ]]; do
        case $1 in
            --only | --json)
                [[ $# -ge 2 ]] || usage
                if [[ $1 == --json ]]; then json=$2; else arguments+=("$1" "$2"); fi
                shift
                ;;
            --quick) arguments+=("$1") ;;
            --no-docker) docker= ;;
            *) usage ;;
        esac
        shift
    done
    require wrk
    require curl
    "${root}/local_test/prepare.sh" dev
    make_classic_environment
    if [[ -n ${docker} ]] && build_images; then
        arguments+=(--images "${images}")
    fi
    export PATH=${root}/.venv/bin:${PATH} PYTHONPATH=${root}:${root}/tests
    rm -f -- "${log}"
    exec python -m benchmarks --json "${json}" ${arguments[@]+"${arguments[@]}"}
}

main "$@"
