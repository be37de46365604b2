#!/usr/bin/env bash
# make_base.sh - have the base image debian:trixie-slim: present, pulled, or made by debootstrap.
#
# usage: make_base.sh
#
# Where no image registry can be reached, debootstrap makes the same base from Debian's packages;
# that needs root and the package debootstrap.
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
echo "make_base: ${image} cannot be pulled; making it with debootstrap" >&2
debootstrap --variant=minbase trixie "${scratch}" >"${scratch}.log" 2>&1 || {
    tail -n 20 "${scratch}.log" >&2
    exit 1
}
rm -f -- "${scratch}.log"
rm -rf -- "${scratch}"/var/cache/apt/* "${scratch}"/var/lib/apt/lists/* "${scratch}"/var/log/*
tar -C "${scratch}" -c . | docker import --change 'CMD ["bash"]' - "${image}" >/dev/null
