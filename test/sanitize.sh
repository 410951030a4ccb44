#!/bin/sh
# The BEAM's tests of the library, built under AddressSanitizer. The emulator takes its memory from malloc
# then (+Mea min), so that overruns and uses after free of it are seen too; it cannot say how much it has,
# and the tests that ask (:emulator_memory) are left to the usual run, as are those that start programs.
set -eu
cd "$(dirname "$0")/.."
export MIX_ENV=test MIX_BUILD_PATH="$PWD/_build/asan"
export CC=gcc CFLAGS="-O1 -g -fsanitize=address -fno-omit-frame-pointer" LDFLAGS=-fsanitize=address
files=$(find test/offheap -name '*_test.exs' | grep -vE '/(port_|jobs|examples|reload)' | sort)
# shellcheck disable=SC2086 # a list of words
LD_PRELOAD=$(gcc -print-file-name=libasan.so) \
    ASAN_OPTIONS=detect_leaks=0:halt_on_error=1:abort_on_error=1 \
    ERL_FLAGS="+Mea min" mix test --exclude emulator_memory $files
