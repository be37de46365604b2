#!/usr/bin/env bash
# build_and_push.sh - build the image; the one place that builds it.
#
# usage: build_and_push.sh --build-only IMAGE [--target inference]
#
# BASE_IMAGE names another base than debian:trixie-slim. SSL_CERT_FILE, when set, is the CA bundle
# that pip trusts during the build. Exit code 69: nothing can be built here, and a sentence says why.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
readonly here
readonly base_image=${BASE_IMAGE:-debian:trixie-slim}
readonly unavailable=69

docker=docker # the client that builds
build=()      # its build command

usage() {
    echo "usage: build_and_push.sh --build-only IMAGE [--target inference]" >&2
    exit 2
}

cannot_build() {
    printf '%s\n' "build_and_push: $*" >&2
    exit "${unavailable}"
}

# Choose the first client on PATH that can build: with buildx, or with BuildKit built in. Clients
# from version 23 on have only buildx.
choose_builder() {
    local client version
    command -v docker >/dev/null \
        || cannot_build "docker is not on PATH; install Docker."
    docker info >/dev/null 2>&1 \
        || cannot_build "no Docker engine answers; start Docker, or the rights to use it are missing (group docker)."
    while read -r client; do
        version=$("${client}" version --format '{{.Client.Version}}' 2>/dev/null || echo 0)
        if "${client}" buildx version >/dev/null 2>&1; then
            build=(buildx build --load)
        elif [[ ${version} =~ ^(18|19|20|21|22)\. ]]; then
            build=(build)
        else
            continue
        fi
        docker=${client}
        return
    done < <(type -ap docker)
    cannot_build "this docker client cannot build with BuildKit; install its plugin buildx (package docker-buildx-plugin)."
}

have_base_image() {
    "${docker}" image inspect "${base_image}" >/dev/null 2>&1 \
        || "${docker}" pull --quiet "${base_image}" >/dev/null 2>&1 \
        || cannot_build "the base image ${base_image} is not here and cannot be pulled; tests/image/make_base.sh makes it."
}

build_image() {
    local image=$1 target=$2
    local options=(--target "${target}" --tag "${image}" --build-arg "BASE_IMAGE=${base_image}")
    if [[ -f ${SSL_CERT_FILE-} ]]; then
        options+=(--secret "id=ca-bundle,src=${SSL_CERT_FILE}")
    fi
    DOCKER_BUILDKIT=1 "${docker}" "${build[@]}" "${options[@]}" "${here}"
}

main() {
    local image='' target=full build_only=''
    while [[ $# -gt 0 ]]; do
        case $1 in
            --build-only) build_only=yes ;;
            --target)
                [[ $# -ge 2 ]] || usage
                target=$2
                shift
                ;;
            -*) usage ;;
            *)
                [[ -z ${image} ]] || usage
                image=$1
                ;;
        esac
        shift
    done
    [[ -n ${image} && -n ${build_only} ]] || usage
    choose_builder
    have_base_image
    build_image "${image}" "${target}"
}

main "$@"
