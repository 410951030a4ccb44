#!/bin/sh
# Runs the fuzz targets under AddressSanitizer and UBSan, FUZZ_SECONDS each (20 if not given), beginning
# with what test/fuzz/corpus has. Inputs that reach new code are added there with FUZZ_KEEP=1.
set -eu
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-20}
work=_build/fuzz
mkdir -p "$work"
ei=$(erl -noshell -eval 'io:format("~ts", [code:lib_dir(erl_interface)]), halt().')
include=${ERL_EI_INCLUDE_DIR:-$ei/include}
lib=${ERL_EI_LIBDIR:-$ei/lib}
flags="-std=gnu11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -I$include"
passed=0

rm -rf "$work/core"
mkdir -p "$work/core"
# shellcheck disable=SC2016 # it is for the inner shell
printf '%s\n' c_src/core/*.c | FLAGS="$flags $(pkg-config --cflags libsodium)" \
    xargs -P "$(getconf _NPROCESSORS_ONLN)" -I{} \
    sh -c 'clang $FLAGS -c -o "$1/$(basename "$2" .c).o" "$2"' compile "$work/core" {}

# fuzz TARGET SOURCES...
fuzz() {
    target=$1
    shift
    # shellcheck disable=SC2046,SC2086 # lists of words
    clang $flags -fsanitize=fuzzer $(pkg-config --cflags libsodium) -o "$work/$target" \
        "test/fuzz/fuzz_$target.c" "$@" "$work"/core/*.o -L"$lib" -lei $(pkg-config --libs libsodium) \
        -pthread -lm -ldl
    mkdir -p "$work/corpus_$target"
    if [ -n "${FUZZ_KEEP:-}" ]; then
        new=test/fuzz/corpus/$target
    else
        new=$work/corpus_$target
    fi
    "$work/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
        -artifact_prefix="$work/$target-" -print_final_stats=1 "$new" "test/fuzz/corpus/$target" \
        >"$work/$target.log" 2>&1 || {
        tail -n 40 "$work/$target.log" >&2
        echo "fuzz: $target failed" >&2
        exit 1
    }
    echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log") inputs"
    passed=$((passed + 1))
}

fuzz frame
port=$(find c_src/port -name '*.c' ! -name port_main.c)
# shellcheck disable=SC2086 # a list of words
fuzz request $port
echo "$passed passed, 0 failed"
