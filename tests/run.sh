#!/usr/bin/env bash
# run.sh - run all checks: linters, types, shell scripts, and the tests.
#
# usage: run.sh [--require-docker] [--soak] [PYTEST_ARGUMENT...]
#
# Image tests run if a Docker engine is available; with --require-docker they fail without one.
# --soak adds the long tests. The tests run in one process more than there are cores, because many
# of them wait; -n 0 runs them in one process, for example to debug.
set -euo pipefail

root=$(cd -- "$(dirname -- "$0")/.." >/dev/null && pwd)
readonly root

step() {
    printf '\n== %s\n' "$*"
}

check_scripts() {
    local scripts=(build_and_push.sh .ci/run)
    while IFS= read -r -d '' script; do
        scripts+=("${script}")
    done < <(find benchmarks local_test tests decision_trees -name '*.sh' -print0)
    # Excluded: braces around every name (SC2250), and warnings that set -e has no effect in
    # conditions (SC2310) and substitutions (SC2312), where the scripts check the results.
    shellcheck --enable=all --exclude=SC2250,SC2310,SC2312 "${scripts[@]}"
    shfmt --diff --indent 4 --case-indent --binary-next-line "${scripts[@]}"
}

main() {
    cd -- "${root}"
    echo "This takes about 8 minutes on 2 cores, 11 with a Docker engine, 45 with --soak."
    step "environment"
    ./local_test/prepare.sh dev
    export PATH=${root}/.venv/bin:${PATH}
    step "ruff"
    ruff check
    ruff format --check
    step "mypy"
    mypy decision_trees decision_trees/{selftest,serve,train} examples benchmarks local_test tests
    step "shellcheck and shfmt"
    check_scripts
    step "hadolint"
    hadolint --config tests/image/hadolint.yaml Dockerfile
    step "pytest"
    pytest --numprocesses "$(($(nproc) + 1))" --dist loadgroup --no-loadscope-reorder "$@"
    if [[ " $* " == *" --soak "* ]]; then
        step "pytest, tests that measure"
        pytest --soak tests/soak
    fi
}

main "$@"
