#!/usr/bin/env bash
# prepare.sh - create .venv in the clone, with hash-locked packages, and with nginx if it is missing.
#
# usage: prepare.sh train|dev
#
# The script needs Python 3.11 to 3.13, but no root. PYTHON is the interpreter (default: python3).
# A second run keeps what is installed, and takes no time.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
root=$(cd -- "${here}/.." >/dev/null && pwd)
readonly here root
readonly venv=${root}/.venv
readonly python=${PYTHON:-python3}

say() {
    printf '%s\n' "prepare: $*" >&2
}

fail() {
    say "$@"
    exit 1
}

make_environment() {
    if [[ -x ${venv}/bin/python ]] && "${venv}/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    "${python}" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
        || fail "${python} is missing or not Python 3.11 to 3.13; set PYTHON to another interpreter, such as PYTHON=python3.13."
    say "creating a virtual environment in ${venv}"
    rm -rf -- "${venv}"
    "${python}" -m venv "${venv}" >/dev/null \
        || fail "${python} has no venv module with pip; on Debian and Ubuntu, install it as root: apt-get install python3-venv"
}

install_packages() {
    local lock=${root}/decision_trees/requirements/$1.txt stamp=${venv}/$1.installed
    if cmp -s -- "${lock}" "${stamp}"; then
        return
    fi
    say "installing the locked packages of $(basename -- "${lock}") (a minute the first time)"
    "${venv}/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes \
        --only-binary :all: --no-binary inotify-simple,sagemaker-training --requirement "${lock}" \
        || fail "pip could not install the packages; the reason is above. Behind a proxy that inspects TLS, set PIP_CERT to the proxy's CA bundle."
    cp -- "${lock}" "${stamp}"
}

# Unpack nginx from the package of the distribution, without root and inside the clone.
provide_nginx() {
    local unpacked=${venv}/nginx
    if command -v nginx >/dev/null || [[ -x ${venv}/bin/nginx ]]; then
        return
    fi
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        fail "nginx is not on PATH; install it (macOS: brew install nginx), then run this script again."
    fi
    say "unpacking nginx from the package of the distribution"
    rm -rf -- "${unpacked}"
    mkdir -p -- "${unpacked}/lists/partial" "${unpacked}/cache/archives/partial"
    (unpack_nginx "${unpacked}") || fail "the package nginx could not be downloaded; install it as root: apt-get install nginx"
    rm -rf -- "${unpacked}/lists" "${unpacked}/cache"
    "${unpacked}/usr/sbin/nginx" -v 2>/dev/null \
        || fail "the unpacked nginx does not run on this machine; install it as root: apt-get install nginx"
    ln -s -- ../nginx/usr/sbin/nginx "${venv}/bin/nginx"
}

# Use separate package lists: those of the system may be missing, and updating them needs root. An
# update that fails is ignored, because nginx may come from another source.
unpack_nginx() {
    local apt=(apt-get -qq -o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1/cache"
        -o "APT::Sandbox::User=")
    cd -- "$1" || return
    "${apt[@]}" update || true
    "${apt[@]}" download nginx \
        && dpkg-deb --extract nginx_*.deb .
}

main() {
    case ${1-} in
        train | dev) ;;
        *)
            echo "usage: prepare.sh train|dev" >&2
            exit 2
            ;;
    esac
    make_environment
    install_packages "$1"
    provide_nginx
}

main "$@"
