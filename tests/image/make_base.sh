#!/usr/bin/env bash
# make_base.sh - pull the base image debian:trixie-slim, or build it with debootstrap.
#
# usage: make_base.sh
#
# If no image registry is reachable, debootstrap builds the same image from Debian's packages.
# This needs root and the package debootstrap. An image that exists already is kept.
set -euo pipefail

readonly image=debian:trixie-slim

if docker image inspect "${image}" >/dev/null 2>&1; then
    exit 0
fi
if docker pull --quiet "${image}" >/dev/null 2>&1; then
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "${scratch}"' EXIT
echo "make_base: cannot pull ${image}; building it with debootstrap" >&2
debootstrap --variant=minbase trixie "${scratch}" >"${scratch}.log" 2>&1 || {
    tail -n 20 "${scratch}.log" >&2
    exit 1
}
rm -f -- "${scratch}.log"
rm -rf -- "${scratch}"/var/cache/apt/* "${scratch}"/var/lib/apt/lists/* "${scratch}"/var/log/*
tar -C "${scratch}" -c . | docker import --change 'CMD ["bash"]' - "${image}" >/dev/null
