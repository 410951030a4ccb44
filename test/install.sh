#!/bin/sh
# Installs the Debian packages named as arguments that are missing; elsewhere says which programs and
# headers are missing and stops.
set -eu

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    missing=""
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    [ -z "$missing" ] && exit 0
    echo "offheap: installing$missing"
    sudo=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "offheap: as root, run: apt-get install --no-install-recommends$missing" >&2
            exit 1
        }
        sudo=sudo
    fi
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq -y --no-install-recommends $missing >/dev/null
    exit 0
fi

missing=""
for program in erl elixir mix rebar3 pkg-config cc spin; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
for library in libsodium check; do
    pkg-config --exists "$library" 2>/dev/null || missing="$missing $library"
done
[ -z "$missing" ] && exit 0
echo "offheap: not a Debian system; please install:$missing" >&2
echo "offheap: needed are Erlang/OTP 25 or later with its headers, Elixir 1.14 or later, rebar3," >&2
echo "offheap: PropEr, libsodium and Check with headers, spin, pkg-config, a C compiler" >&2
exit 1
