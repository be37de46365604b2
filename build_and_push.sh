#!/usr/bin/env bash
# build_and_push.sh - build the image and push it to Amazon ECR.
#
# usage: build_and_push.sh --build-only IMAGE [--target inference]
#        build_and_push.sh IMAGE [--tag T] [--region R] [--platform linux/amd64|linux/arm64]
#                          [--target inference] [--immutable] [--dry-run]
#
# With a push, IMAGE is the name of the repository in ECR; it is created if it does not exist. The
# tags are the git commit, T and finally `latest`; a repository with immutable tags gets no `latest`.
# The script verifies the pushed image, then prints one line to stdout: the URI with its digest.
# --dry-run runs the checks, and prints the commands that would change something.
#
# BASE_IMAGE is the base image (default: debian:trixie-slim). SSL_CERT_FILE is a CA bundle for pip
# during the build. Exit code 69 means that nothing can be built or pushed from here; the message has
# the reason. If the build fails, its exit code is returned.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" >/dev/null && pwd)
readonly here
readonly base_image=${BASE_IMAGE:-debian:trixie-slim}
readonly unavailable=69
readonly bind_label=com.amazonaws.sagemaker.capabilities.accept-bind-to-port
readonly commit_label=org.opencontainers.image.revision
# The only type that every part of SageMaker accepts:
# https://github.com/aws/amazon-sagemaker-feedback/issues/180
readonly manifest_type=application/vnd.docker.distribution.manifest.v2+json
readonly other_types=application/vnd.docker.distribution.manifest.list.v2+json,application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json

image='' target=full tag='' region='' platform=linux/amd64
build_only='' immutable='' dry_run='' only_to_push=''
docker=docker # the client that builds
build=()      # its build command
build_push=() # its build command for an image to push
logged_in=()  # the client that pushes
scratch=      # temporary directory: the login, and messages of programs
uri=          # of the repository
mutability=   # of its tags, in ECR's words
missing=      # yes if the repository does not exist yet
commit=       # of the clone; empty if it is unknown
tags=()       # to push
digest=       # of the pushed image

usage() {
    sed -n '/^# usage:/,/^#$/s/^# //p' -- "$0" >&2
    exit 2
}

say() {
    printf '%s\n' "build_and_push: $*" >&2
}

fail() {
    say "$@"
    exit 1
}

cannot() {
    say "$@"
    exit "${unavailable}"
}

refuse() {
    say "$@"
    usage
}

read_arguments() {
    while [[ $# -gt 0 ]]; do
        case $1 in
            --build-only) build_only=yes ;;
            --immutable) immutable=yes only_to_push=$1 ;;
            --dry-run) dry_run=yes only_to_push=$1 ;;
            --tag | --region | --platform | --target)
                [[ -n ${2-} ]] || refuse "$1 needs a value after it."
                [[ $1 == --target ]] || only_to_push=$1
                printf -v "${1#--}" '%s' "$2"
                shift
                ;;
            -h | --help) usage ;;
            -*) refuse "there is no option '$1'." ;;
            *)
                [[ -z ${image} ]] || refuse "there are two images, '${image}' and '$1'; give one."
                image=$1
                ;;
        esac
        shift
    done
    [[ -n ${image} ]] || refuse "the name of the image is missing."
    [[ -z ${build_only} || -z ${only_to_push} ]] || refuse "${only_to_push} has no effect with --build-only; leave one out."
}

# Choose the first client on PATH that can build with BuildKit: with buildx, or without it before
# version 23.
choose_builder() {
    local client version
    command -v docker >/dev/null \
        || cannot "docker is not on PATH; install Docker."
    docker info >/dev/null 2>&1 \
        || cannot "no Docker engine answers; start Docker, or join the group docker if you lack permission."
    while read -r client; do
        version=$("${client}" version --format '{{.Client.Version}}' 2>/dev/null || echo 0)
        if "${client}" buildx version >/dev/null 2>&1; then
            build=(buildx build --load)
            # Attestations turn the image into an index; engines with containerd's store use OCI types.
            build_push=(buildx build --output "type=docker,oci-mediatypes=false" --provenance=false --sbom=false)
        elif [[ ${version} =~ ^(18|19|20|21|22)\. ]]; then
            build=(build)
            build_push=(build)
        else
            continue
        fi
        docker=${client}
        return
    done < <(type -ap docker)
    cannot "this docker client cannot build with BuildKit; install its plugin buildx (package docker-buildx-plugin)."
}

# Run a command that changes something. With --dry-run, print it instead.
change() {
    if [[ -z ${dry_run} ]]; then
        "$@"
    else
        local command
        printf -v command '%q ' "$@"
        printf '%s\n' "${command% }" >&3
    fi
}

have_base_image() {
    "${docker}" image inspect "${base_image}" >/dev/null 2>&1 \
        || change "${docker}" pull --quiet "${base_image}" >/dev/null 2>&1 \
        || cannot "the base image ${base_image} is not on this machine and cannot be pulled; without access to a registry, create it with tests/image/make_base.sh."
}

# Build with additional options, which name the image.
build_image() {
    local options=(--target "${target}" "$@" --build-arg "BASE_IMAGE=${base_image}")
    if [[ -f ${SSL_CERT_FILE-} ]]; then
        local bundle="src=${SSL_CERT_FILE}" quote='"' # a field of CSV
        [[ ${bundle} != *[,\"$'\n']* ]] || bundle=${quote}${bundle//${quote}/${quote}${quote}}${quote}
        options+=(--secret "id=ca-bundle,${bundle}")
    fi
    change env DOCKER_BUILDKIT=1 "${docker}" "${build[@]}" "${options[@]}" "${here}"
}

check_names() {
    local name='^[a-z0-9]+([._/-]+[a-z0-9]+)*$' label='^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$'
    [[ ${image} =~ ${name} ]] \
        || refuse "'${image}' is not a valid repository name; use lower-case letters, digits and . _ - / only, and --tag for a tag."
    [[ -z ${tag} || ${tag} =~ ${label} ]] \
        || refuse "'${tag}' is not a valid tag; use letters, digits and . _ - only."
    [[ ${platform} =~ ^linux/(amd64|arm64)$ ]] \
        || refuse "SageMaker does not run ${platform}; use --platform linux/amd64 or linux/arm64."
}

last_line() {
    grep -v '^[[:space:]]*$' "${scratch}/reason" | tail -n 1
}

ask_aws() {
    AWS_PAGER='' aws "$@" --region "${region}" --output text 2>"${scratch}/reason"
}

check_aws() {
    local program account endpoint
    for program in aws curl; do
        command -v "${program}" >/dev/null \
            || cannot "${program} is not on PATH; install it (the AWS CLI: https://aws.amazon.com/cli/)."
    done
    region=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region 2>/dev/null || true)}}}
    [[ -n ${region} ]] \
        || cannot "no AWS region is set; give --region, or set AWS_REGION."
    account=$(ask_aws sts get-caller-identity --query Account) \
        || cannot "AWS rejected the credentials ($(last_line)); log in (aws sso login or aws configure), and check the region ${region}."
    # ECR returns the domain of the partition.
    endpoint=$(ask_aws ecr get-authorization-token --query 'authorizationData[0].proxyEndpoint') \
        || cannot "ECR in the region ${region} rejected account ${account} ($(last_line)); check the region and the permission ecr:GetAuthorizationToken."
    uri=${endpoint#https://}/${image}
}

# Find out whether the repository exists, and whether its tags are mutable.
find_repository() {
    local wanted=${immutable:+IMMUTABLE}
    if mutability=$(ask_aws ecr describe-repositories --repository-names "${image}" \
        --query 'repositories[0].imageTagMutability'); then
        [[ -z ${wanted} || ${mutability} == "${wanted}"* ]] \
            || cannot "the repository ${uri} already exists, and its tags are mutable; leave out --immutable, or change the repository with aws ecr put-image-tag-mutability."
        return
    fi
    grep -q RepositoryNotFoundException "${scratch}/reason" \
        || cannot "ECR did not answer whether ${uri} exists ($(last_line)); check the permission ecr:DescribeRepositories."
    mutability=${wanted:-MUTABLE}
    missing=yes
}

make_repository() {
    [[ -n ${missing} ]] || return 0
    change aws ecr create-repository --region "${region}" --repository-name "${image}" \
        --image-scanning-configuration scanOnPush=true --image-tag-mutability "${mutability}" >/dev/null \
        || cannot "the repository ${uri} does not exist and could not be created; the reason is above. Check the permission ecr:CreateRepository."
}

add_tag() {
    [[ " ${tags[*]-} " == *" $1 "* ]] || tags+=("$1")
}

# `latest` is pushed last, after the same image was verified under another tag. A repository with
# immutable tags would accept it only once.
choose_tags() {
    if commit=$(git -C "${here}" rev-parse --short HEAD 2>/dev/null); then
        [[ -z $(git -C "${here}" status --porcelain 2>/dev/null || echo unknown) ]] || commit+=-dirty
        add_tag "${commit}"
    else
        commit=
        say "the git commit of this clone is unknown, so there is no tag for it"
    fi
    [[ -z ${tag} ]] || add_tag "${tag}"
    [[ ${mutability} == IMMUTABLE ]] || add_tag latest
    [[ ${#tags[@]} -gt 0 ]] \
        || cannot "a repository with immutable tags gets no 'latest', and the git commit is unknown; give --tag."
}

# Keep the login out of the user's configuration, but use its contexts, which have the address of the
# engine. The empty entry prevents docker from using the keychain of the machine.
configure_login() {
    local own=${DOCKER_CONFIG:-${HOME-}/.docker} context
    context=$("${docker}" context inspect --format '{{.Name}}' 2>/dev/null || echo default)
    mkdir -- "${scratch}/docker"
    printf '{"auths": {"%s": {}}}\n' "${uri%%/*}" >"${scratch}/docker/config.json"
    [[ ! -d ${own}/contexts ]] || ln -s -- "${own}/contexts" "${scratch}/docker/contexts"
    logged_in=(env "DOCKER_CONFIG=${scratch}/docker" "DOCKER_CONTEXT=${context}" "${docker}")
}

log_in() {
    local password
    logged_in=("${docker}")
    if [[ -n ${dry_run} ]]; then
        echo "aws ecr get-login-password --region ${region} | docker login --username AWS --password-stdin ${uri%%/*}" >&3
        return
    fi
    configure_login
    password=$(ask_aws ecr get-login-password) \
        || cannot "ECR returned no password ($(last_line)); check the permission ecr:GetAuthorizationToken."
    printf 'user = "AWS:%s"\n' "${password}" >"${scratch}/curl"
    printf '%s' "${password}" \
        | "${logged_in[@]}" login --username AWS --password-stdin "${uri%%/*}" >/dev/null 2>"${scratch}/reason" \
        || cannot "could not log in to the registry ${uri%%/*} ($(last_line)); check the region, and whether the engine can reach the registry."
}

# Print the HTTP status and media type of a tag's manifest; write its headers to a file. ECR has the
# API of a registry: https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
head_manifest() {
    : >"${scratch}/headers"
    curl --silent --show-error --head --config "${scratch}/curl" --output "${scratch}/headers" \
        --header "Accept: ${manifest_type},${other_types}" --write-out '%{http_code} %{content_type}' \
        "https://${uri%%/*}/v2/${image}/manifests/$1" 2>"${scratch}/reason" || true
}

# Print the status of `head_manifest`; without one, why there was no answer.
status_of() {
    if [[ ${1%% *} == 000 ]]; then
        printf 'nothing (%s)' "$(last_line)"
    else
        printf '%s' "${1%% *}"
    fi
}

refuse_taken_tags() {
    local name answer
    [[ ${mutability} == IMMUTABLE && -z ${dry_run} ]] || return 0
    for name in "${tags[@]}"; do
        answer=$(head_manifest "${name}")
        [[ ${answer%% *} == 404 ]] \
            || cannot "the tag ${uri}:${name} cannot be pushed: the tags of the repository are immutable, and the registry returned $(status_of "${answer}") for it instead of 404; commit your changes, or delete the tag."
    done
}

build_to_push() {
    local options=(--platform "${platform}") name
    for name in "${tags[@]}"; do
        options+=(--tag "${uri}:${name}")
    done
    [[ -z ${commit} ]] || options+=(--label "${commit_label}=${commit}")
    build=("${build_push[@]}")
    build_image "${options[@]}" || build_failed "$?"
}

build_failed() {
    local machine
    machine=$("${docker}" info --format '{{.Architecture}}')
    say "the build for ${platform} on an engine of ${machine} failed, so nothing was pushed; if the reason is 'exec format error', install emulation (docker run --privileged --rm tonistiigi/binfmt --install all)."
    exit "$1"
}

verify() {
    local name=$1 answer found
    answer=$(head_manifest "${name}")
    digest=$(sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: *\(sha256:[0-9a-f]*\).*/\1/p' "${scratch}/headers")
    [[ ${answer%% *} == 200 && -n ${digest} ]] \
        || fail "${uri}:${name} was pushed, but the registry returned $(status_of "${answer}") for it; do not use it, and push again."
    found=${answer#* }
    [[ ${found%%;*} == "${manifest_type}" ]] \
        || fail "${uri}:${name} was pushed as ${found}, which SageMaker rejects; update buildx, or disable the containerd image store of the engine."
    "${logged_in[@]}" pull --quiet "${uri}@${digest}" >/dev/null \
        || fail "${uri}@${digest} cannot be pulled; the reason is above. Do not use it, and push again."
    verify_content "${platform} true ${commit}"
}

verify_content() {
    local found
    found=$("${docker}" image inspect --format \
        "{{.Os}}/{{.Architecture}} {{index .Config.Labels \"${bind_label}\"}} {{index .Config.Labels \"${commit_label}\"}}" \
        "${uri}@${digest}")
    [[ ${found} == "$1" ]] \
        || fail "${uri}@${digest} is '${found}' instead of '$1' (platform, ${bind_label}, ${commit_label}); do not use it, and check whether the Dockerfile sets them."
}

push_tags() {
    local name
    for name in "${tags[@]}"; do
        change "${logged_in[@]}" push "${uri}:${name}" \
            || fail "the push of ${uri}:${name} failed; the reason is above. No other tag was pushed; run the script again."
        [[ -n ${dry_run} ]] || verify "${name}"
    done
    [[ -n ${dry_run} ]] || printf '%s\n' "${uri}@${digest}" >&3
}

# Everything except the result goes to stderr, so that a script can capture stdout.
push() {
    exec 3>&1 1>&2
    scratch=$(mktemp -d)
    trap 'rm -rf -- "${scratch}"' EXIT
    check_names
    check_aws
    choose_builder
    have_base_image
    find_repository
    choose_tags
    log_in
    refuse_taken_tags
    make_repository
    build_to_push
    push_tags
}

main() {
    read_arguments "$@"
    if [[ -z ${build_only} ]]; then
        push
        return
    fi
    choose_builder
    have_base_image
    build_image --tag "${image}"
}

main "$@"
