#!/usr/bin/env bash
# quickstart.sh - from a fresh clone to a prediction: train on leaf_train.csv, serve, predict, stop.
#
# usage: quickstart.sh
#
# With a Docker engine it builds the image and uses containers. Without one it runs the same
# programs from a virtual environment in the clone. PORT names another port than 8080.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
root=$(cd -- "${here}/.." >/dev/null && pwd)
readonly here root
readonly image=decision-trees payload=${here}/payload.csv
export PORT=${PORT:-8080}

scratch= # a directory for logs and answers
way=     # containers or environment
server=  # its process

say() {
    printf '%s\n' "quickstart: $*"
}

fail() {
    printf '%s\n' "quickstart: $*" >&2
    exit 1
}

clean_up() {
    stop_server || true
    rm -rf -- "${scratch}"
}

check_machine() {
    command -v curl >/dev/null || fail "curl is not on PATH; install it."
    [[ ${PORT} =~ ^[0-9]+$ ]] || fail "PORT is ${PORT}; it must be a number."
    if (exec 3<>"/dev/tcp/127.0.0.1/${PORT}") 2>/dev/null; then
        fail "something listens on port ${PORT} already; stop it, or choose another: PORT=8081 $0"
    fi
}

choose_way() {
    local log=${scratch}/build.log status=0
    say "looking for a Docker engine; with one, the image is built (minutes at first, then seconds)"
    "${root}/build_and_push.sh" --build-only "${image}" >"${log}" 2>&1 || status=$?
    case ${status} in
        0)
            way=containers
            say "a Docker engine answers: using containers of the image ${image}"
            ;;
        69)
            way=environment
            say "no containers: $(tail -n 1 "${log}")"
            say "using the same programs from a virtual environment in this clone"
            "${here}/prepare.sh" train
            export PATH=${root}/.venv/bin:${PATH}
            ;;
        *)
            cat -- "${log}" >&2
            fail "the image could not be built; the reason stands above."
            ;;
    esac
}

run_train() {
    rm -rf -- "${here}/test_dir/model" "${here}/test_dir/output"
    if [[ ${way} == containers ]]; then
        "${here}/train_local.sh" "${image}"
    else
        SAGEMAKER_BASE_DIR=${here}/test_dir "${root}/decision_trees/train"
    fi
}

start_server() {
    if [[ ${way} == containers ]]; then
        "${here}/serve_local.sh" "${image}" &
    else
        SAGEMAKER_BASE_DIR=${here}/test_dir SAGEMAKER_BIND_TO_PORT=${PORT} \
            "${root}/decision_trees/serve" &
    fi
    server=$!
    for _ in {1..300}; do
        if curl --silent --fail --output /dev/null --noproxy '*' "http://127.0.0.1:${PORT}/ping"; then
            return
        fi
        kill -0 "${server}" 2>/dev/null || fail "the server has ended; the reason stands above."
        sleep 0.1
    done
    fail "the server gave no answer within 30 seconds."
}

stop_server() {
    if [[ -n ${server} ]]; then
        local stopping=${server}
        server=
        kill -TERM "${stopping}" 2>/dev/null || true
        wait "${stopping}"
    fi
}

main() {
    if [[ $# -gt 0 ]]; then
        echo "usage: quickstart.sh" >&2
        exit 2
    fi
    scratch=$(mktemp -d)
    trap clean_up EXIT
    # Without these, bash goes on when curl has ended by itself just before the signal.
    trap 'exit 130' INT
    trap 'exit 143' TERM
    check_machine
    choose_way
    say "training on ${here}/test_dir/input/data/training/leaf_train.csv"
    run_train | tee "${scratch}/train.log"
    say "serving on http://127.0.0.1:${PORT}"
    start_server
    say "sending ${payload}"
    "${here}/predict.sh" "${payload}" >"${scratch}/labels"
    stop_server || fail "the server did not end cleanly; the reason stands above."
    say "done. Each row of payload.csv, and its label:"
    paste -- "${payload}" "${scratch}/labels"
    say "training metrics:"
    grep -o 'train:.*;' "${scratch}/train.log"
}

main "$@"
