#!/usr/bin/env bash
# quickstart.sh - train, serve and predict on this machine, with one command.
#
# usage: quickstart.sh [TABLE] [--hyperparameter NAME=VALUE]... [--serve]
#
#   TABLE              a CSV, TSV or Parquet file to train on (default: the Iris table of test_dir)
#   --hyperparameter   set a hyperparameter; label=price names the column to predict (default: the
#                      first), task=regression predicts numbers
#   --serve            keep the server running after the prediction, until Ctrl-C
#
# If a Docker engine answers, the script builds the image and uses containers. Otherwise it runs the
# same programs in a virtual environment in the clone. PORT is the port of the server (default:
# 8080). With TABLE or --hyperparameter, the job is in own_dir instead of test_dir.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
root=$(cd -- "${here}/.." >/dev/null && pwd)
readonly here root
readonly image=decision-trees
export PORT=${PORT:-8080}

directory=${here}/test_dir # takes the place of /opt/ml
table=${directory}/input/data/training/leaf_train.csv
payload=${here}/payload.csv
own_table=
hyperparameters= # the members of a JSON object
keep_serving=
scratch= # directory for logs and predictions
way=     # containers or environment
server=  # its process id

say() {
    printf '%s\n' "quickstart: $*"
}

fail() {
    printf '%s\n' "quickstart: $*" >&2
    exit 1
}

usage() {
    [[ $# -eq 0 ]] || printf '%s\n' "quickstart: $*" >&2
    sed -n '/^# usage:/,/^#$/s/^# //p' -- "$0" >&2
    sed -n '/^#   TABLE/,/^#$/s/^# //p' -- "$0" >&2
    exit 2
}

clean_up() {
    stop_server || true
    rm -rf -- "${scratch}"
}

read_arguments() {
    while [[ $# -gt 0 ]]; do
        case $1 in
            --serve) keep_serving=yes ;;
            --hyperparameter)
                [[ $# -gt 1 ]] || usage "--hyperparameter needs NAME=VALUE after it."
                add_hyperparameter "$2"
                shift
                ;;
            --hyperparameter=*) add_hyperparameter "${1#*=}" ;;
            -h | --help) usage ;;
            -*) usage "there is no option '$1'." ;;
            *) take_table "$1" ;;
        esac
        shift
    done
}

add_hyperparameter() {
    [[ $1 == ?*=* ]] || usage "--hyperparameter needs NAME=VALUE, not '$1'."
    hyperparameters+="${hyperparameters:+, }$(json_string "${1%%=*}"): $(json_string "${1#*=}")"
}

json_string() {
    printf '"%s"' "$(printf '%s' "$1" | sed 's/["\\]/\\&/g')"
}

take_table() {
    if [[ ! -e $1 && $1 == ?*=* ]]; then
        fail "there is no file $1; to set a hyperparameter, write --hyperparameter $1"
    fi
    [[ -z ${own_table} ]] || usage "there are two tables, '${own_table}' and '$1'; give one."
    [[ ! -d $1 ]] || fail "$1 is a directory; give the path of one file."
    [[ -e $1 ]] || fail "there is no file $1; give the path of your table."
    [[ -r $1 ]] || fail "you have no permission to read $1."
    own_table=$1
}

check_machine() {
    command -v curl >/dev/null || fail "curl is not on PATH; install it."
    [[ ${PORT} =~ ^[0-9]+$ ]] || fail "PORT is ${PORT}; it must be a number."
    if (exec 3<>"/dev/tcp/127.0.0.1/${PORT}") 2>/dev/null; then
        fail "port ${PORT} is already in use; stop the program that listens there, or choose another port: PORT=8081 $(printf '%q' "$0")"
    fi
}

choose_way() {
    local log=${scratch}/build.log status=0 reason
    say "looking for a Docker engine, to build the image (minutes the first time, then seconds)"
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
            reason=$(grep -o 'train: .*' "${log}" | tail -n 1) || reason=
            fail "the image could not be built; ${reason:-the output of the build is above.}"
            ;;
    esac
}

# Write the files of a job with the user's table and hyperparameters, as SageMaker does in /opt/ml.
make_own_directory() {
    [[ -n ${own_table}${hyperparameters} ]] || return 0
    directory=${here}/own_dir
    rm -rf -- "${directory}"
    mkdir -p -- "${directory}/input/data/training"
    cp -R -- "${here}/test_dir/input/config" "${directory}/input/"
    cp -- "${own_table:-${table}}" "${directory}/input/data/training/"
    printf '{%s}\n' "${hyperparameters}" >"${directory}/input/config/hyperparameters.json"
    if [[ -n ${own_table} ]]; then
        table=${own_table}
        payload=${directory}/payload.csv
    fi
}

run_train() {
    rm -rf -- "${directory}/model" "${directory}/output"
    if [[ ${way} == containers ]]; then
        "${here}/train_local.sh" "${image}" "${directory}"
    else
        SAGEMAKER_BASE_DIR=${directory} "${root}/decision_trees/train"
    fi
}

fail_training() {
    local failure=${directory}/output/failure
    [[ ! -s ${failure} ]] || printf '%s\n' "quickstart: training failed: $(cat -- "${failure}")" >&2
    exit "$1"
}

# Print the field source=PATH of --mount, whose fields are written as in CSV.
source_field() {
    local field="source=$1" quote='"'
    [[ ${field} != *[,\"$'\n']* ]] || field=${quote}${field//${quote}/${quote}${quote}}${quote}
    printf '%s' "${field}"
}

# Take the first rows of the user's table as the request.
make_payload() {
    [[ -n ${own_table} ]] || return 0
    if [[ ${way} == containers ]]; then
        docker run --rm --interactive --mount "type=bind,$(source_field "${directory}"),target=/opt/ml,readonly" \
            "${image}" python3 - /opt/ml <"${here}/first_rows.py"
    else
        python "${here}/first_rows.py" "${directory}"
    fi >"${payload}"
}

start_server() {
    # A server that is kept shows its log; that of a short run is of interest only when it fails.
    if [[ -n ${keep_serving} ]]; then exec 3>&2; else exec 3>"${scratch}/serve.log"; fi
    server=starting
    if [[ ${way} == containers ]]; then
        "${here}/serve_local.sh" "${image}" "${directory}" >&3 2>&1 &
    else
        SAGEMAKER_BASE_DIR=${directory} SAGEMAKER_BIND_TO_PORT=${PORT} \
            "${root}/decision_trees/serve" >&3 2>&1 &
    fi
    server=$!
    for _ in {1..1200}; do
        if curl --silent --fail --output /dev/null --noproxy '*' "http://127.0.0.1:${PORT}/ping"; then
            return
        fi
        kill -0 "${server}" 2>/dev/null || fail_serving "the server exited before it was ready"
        sleep 0.1
    done
    fail_serving "the server was not ready within two minutes"
}

fail_serving() {
    [[ -n ${keep_serving} ]] || cat -- "${scratch}/serve.log" >&2
    fail "$1; its log is above."
}

stop_server() {
    # A signal can interrupt start_server after it has started the server, before it has the id.
    [[ ${server} != starting ]] || server=${!-}
    if [[ -n ${server} ]]; then
        local stopping=${server}
        server=
        kill -TERM "${stopping}" 2>/dev/null || true
        wait "${stopping}"
    fi
}

predict() {
    "${here}/predict.sh" "${payload}" >"${scratch}/labels" && return
    cat -- "${scratch}/labels" >&2
    fail "the server rejected the rows of ${payload}; its answer is above."
}

show_results() {
    say "done. Each row of $(basename -- "${payload}"), and its label:"
    {
        [[ $(wc -l <"${payload}") -eq $(wc -l <"${scratch}/labels") ]] || echo "prediction" # a header
        cat -- "${scratch}/labels"
    } | paste -- "${payload}" -
    [[ -z ${own_table} ]] || say "$(grep -o 'training: label: .*' "${scratch}/train.log")"
    say "training metrics:"
    grep -Eo '(train|validation):.*;' "${scratch}/train.log"
}

serve_on() {
    say "the server keeps running; press Ctrl-C to stop it. To send other rows to it:"
    say "    PORT=${PORT} $(printf '%q' "${here}/predict.sh") FILE"
    wait "${server}"
}

main() {
    read_arguments "$@"
    scratch=$(mktemp -d)
    trap clean_up EXIT
    # Without these, bash goes on when curl has ended by itself just before the signal.
    trap 'exit 130' INT
    trap 'exit 143' TERM
    check_machine
    choose_way
    make_own_directory
    say "training on ${table}"
    run_train | tee "${scratch}/train.log" || fail_training "$?"
    make_payload
    say "serving on http://127.0.0.1:${PORT}"
    start_server
    say "sending ${payload}"
    predict
    [[ -n ${keep_serving} ]] || stop_server || fail_serving "the server did not stop cleanly"
    show_results
    if [[ -n ${keep_serving} ]]; then
        serve_on
    elif [[ -n ${own_table} ]]; then
        say "the model is in ${directory}/model; add --serve to keep the server running."
    fi
}

main "$@"
