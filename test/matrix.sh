#!/bin/sh
# shellcheck disable=SC2016 # what stands in single quotes is for other shells
# Every test on each Debian that Offheap supports, with the compiler and the OTP that come with it: a
# clean clone of HEAD in a root file system made by debootstrap. `sh test/matrix.sh [ENTRY...]` runs
# some of the entries below; MATRIX_RUN is the command to run instead of `make test`.
#
# Root file systems, logs and results are kept in ${XDG_CACHE_HOME:-~/.cache}/offheap/matrix. What has
# passed at this commit is not run again, so that a run that was interrupted goes on. Each entry has
# mounts and processes of its own, in namespaces that end with it however it ends. Needs root.
set -u
cd "$(dirname "$0")/.." || exit
entries="bookworm trixie sid trixie-clang"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/offheap/matrix
run=${MATRIX_RUN:-make test}
commit=$(git rev-parse HEAD)
results=$cache/results

[ "$(id -u)" = 0 ] || {
    echo "matrix: only root can make and enter root file systems" >&2
    exit 1
}
command -v debootstrap >/dev/null || {
    echo "matrix: install debootstrap" >&2
    exit 1
}
mkdir -p "$cache"
touch "$results"

# The mark is made last, so that one that was interrupted is made anew.
make_root() {
    [ -e "$root.made" ] && return
    rm -rf "$root"
    debootstrap --variant=minbase "$release" "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" &&
        touch "$root.made"
}

# What a user has: git, make, a compiler. The rest is what `make test` installs.
prepare() {
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # A mirror may be a snapshot, past the time that its lists are valid for.
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99snapshot"
    rm -rf "$root/root/matrix"
    git clone -q --no-hardlinks . "$root/root/matrix"
}

# The command in the root file system, alone in it.
run_in_root() {
    unshare --mount --pid --fork --kill-child --propagation private sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
            mount -t tmpfs tmpfs "$1/dev/shm" &&
            exec chroot "$1" /usr/bin/env -i HOME=/root LANG=C.UTF-8 CI=true $3 \
                PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                DEBIAN_FRONTEND=noninteractive sh -ec "
                    cd /root/matrix
                    apt-get update -qq
                    apt-get install -qq -y --no-install-recommends ca-certificates git make
                    $2"' matrix "$root" "$run" "${cc:+CC=$cc}"
}

versions() {
    chroot "$root" dpkg-query -W -f='${Version}' erlang-base 2>/dev/null | sed 's/^[0-9]*://; s/[+~].*//'
    printf ' / '
    chroot "$root" dpkg-query -W -f='${Version}' elixir 2>/dev/null | sed 's/[.]dfsg.*//; s/[+~-].*//'
    printf ' / '
    chroot "$root" "${cc:-gcc}" --version 2>/dev/null | sed -n '1s/.* //p' | tr -d '\n'
}

# shellcheck disable=SC2086 # a list of words
[ $# -gt 0 ] || set -- $entries
failed=0
for entry in "$@"; do
    release=${entry%-clang}
    root=$cache/$release
    log=$cache/$entry.log
    cc=""
    [ "$release" = "$entry" ] || cc=clang
    if grep -qxF "$commit $entry $run" "$results"; then
        result="passed before"
    else
        echo "matrix: $entry: $log" >&2
        began=$(date +%s)
        if { make_root && prepare && run_in_root; } >"$log" 2>&1 </dev/null; then
            echo "$commit $entry $run" >>"$results"
            result="passed"
        else
            result="FAILED"
            failed=1
            tail -n 30 "$log" >&2
        fi
        result="$result in $((($(date +%s) - began + 59) / 60)) min"
    fi
    printf '%-14s %-40s %s\n' "$entry" "$(versions)" "$result"
done
exit "$failed"
