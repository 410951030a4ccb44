#!/bin/sh
# What programs see without running Offheap: formats, warnings, analysers. `sh test/lint.sh STEP...` runs
# some of the steps below.
#
# What clang-format, clang-tidy, cppcheck, shellcheck and Mix's formatter say differs from one version
# to the next. Those of Debian 12 count; where another is installed the step says so and does nothing.
# The compilers and Dialyzer must have nothing to say in any version.
set -u
cd "$(dirname "$0")/.." || exit
unset MIX_ENV MIX_BUILD_PATH MIX_APP_PATH CFLAGS LDFLAGS
work=_build/lint
mkdir -p "$work"
passed=0
failed=0

c_files=$(git ls-files --cached --others --exclude-standard '*.[ch]')
# The tests' C is compiled with -Werror and run under sanitizers; Check's macros would drown the rest.
own_c=$(printf '%s\n' "$c_files" | grep -E '^(c_src|examples)/.*\.c$')
scripts=$(git ls-files --cached --others --exclude-standard '*.sh' .ci/run)

# step NAME FUNCTION [VERSION COMMAND...]: runs it, if what the command prints has the version.
step() {
    name=$1 function=$2
    if [ $# -gt 2 ]; then
        version=$3
        shift 3
        "$@" 2>/dev/null | grep -qF "$version" || {
            echo "ok - $name: not run, since only \"$version\" counts"
            return
        }
    fi
    if "$function" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok - $name"
    else
        failed=$((failed + 1))
        echo "not ok - $name"
        sed 's/^/    /' "$work/log" | head -n 100
    fi
}

compile() { mix compile --force --warnings-as-errors; }
format_elixir() { mix format --check-formatted; }
# shellcheck disable=SC2086 # a list of words
format_c() { clang-format --dry-run -Werror $c_files; }
# shellcheck disable=SC2086 # a list of words
check_scripts() { shellcheck $scripts; }
dialyzer() { elixir test/dialyzer.exs _build/dev/lib/offheap/ebin; }

# C_FLAGS: what all C files are compiled with, whichever layer they are of.
c_flags() {
    erts=$(erl -noshell -eval 'io:format("~ts/usr/include", [code:root_dir()]), halt().')
    ei=$(erl -noshell -eval 'io:format("~ts/include", [code:lib_dir(erl_interface)]), halt().')
    C_FLAGS="-std=gnu11 -Wall -Wextra -pthread $(pkg-config --cflags libsodium) -Ic_src/include"
    C_FLAGS="$C_FLAGS -I${ERTS_INCLUDE_DIR:-$erts} -I${ERL_EI_INCLUDE_DIR:-$ei}"
    export C_FLAGS
}

tidy_c() {
    c_flags
    # shellcheck disable=SC2016 # it is for the inner shell
    printf '%s\n' "$own_c" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 4 \
        sh -c 'clang-tidy --quiet "$@" -- $C_FLAGS 2>/dev/null' tidy
}

# As macOS would see it, but for its headers: see not_linux.h.
compile_elsewhere() {
    c_flags
    # shellcheck disable=SC2016 # it is for the inner shell
    printf '%s\n' "$own_c" | grep '^c_src/' | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 20 \
        sh -c 'clang $C_FLAGS -Werror -Wno-macro-redefined -D_GNU_SOURCE -U__linux__ -D__APPLE__ \
            -include test/not_linux.h -fsyntax-only "$@"' clang
}

cppcheck_c() {
    # shellcheck disable=SC2086 # a list of words
    cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
        --inconclusive -j "$(getconf _NPROCESSORS_ONLN)" --suppressions-list=test/cppcheck.txt \
        -D__GNUC__=12 -D__linux__=1 -D__x86_64__=1 -Ic_src/core -Ic_src/include \
        --template='{file}:{line}: {severity}: {message} [{id}]' $own_c
}

run() {
    case $1 in
    compile) step "Erlang and Elixir compile without a warning" compile ;;
    dialyzer) step "dialyzer" dialyzer ;;
    format) step "mix format" format_elixir 1.14. elixir --short-version &&
        step "clang-format" format_c "version 14." clang-format --version ;;
    shellcheck) step "shellcheck" check_scripts "version: 0.9." shellcheck --version ;;
    portable) step "the C compiles where nothing of Linux is there" compile_elsewhere ;;
    cppcheck) step "cppcheck" cppcheck_c "Cppcheck 2.10" cppcheck --version ;;
    tidy) step "clang-tidy" tidy_c "version 14." clang-tidy --version ;;
    *)
        echo "lint: steps are compile format shellcheck portable cppcheck tidy dialyzer" >&2
        exit 1
        ;;
    esac
}

[ $# -gt 0 ] || set -- format shellcheck compile dialyzer portable cppcheck tidy
for name in "$@"; do
    run "$name"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
