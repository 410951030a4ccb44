#!/bin/sh
# Offheap as a dependency: a fresh Mix project without Hex, its release, a fresh rebar3 project without
# Elixir, both compilers without a warning, and a missing library named in one line.
#
# The projects get a copy of the working tree, so nothing is written beside the sources.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/offheap_packages.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

passed=0
failed=0
unset MIX_ENV MIX_BUILD_PATH MIX_APP_PATH ERL_LIBS CFLAGS LDFLAGS
# For what does not say how many compilers may run at once.
MAKEFLAGS=-j$(getconf _NPROCESSORS_ONLN)
export MAKEFLAGS

# step NAME FUNCTION: runs it with its output kept for the case that it fails.
step() {
    if (set -e && "$2") >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok - $1"
    else
        failed=$((failed + 1))
        echo "not ok - $1"
        tail -n 30 "$work/log" | sed 's/^/    /'
    fi
}

# expect TEXT: the last step's output, on standard input, has it.
expect() {
    tee "$work/seen"
    grep -q -F -e "$1" "$work/seen"
}

# The files that git knows or would add, as they are now.
copy_tree() {
    mkdir -p "$1"
    (cd "$top" && git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
        if [ -e "$file" ]; then printf '%s\n' "$file"; fi
    done >"$work/files" && tar -c -T "$work/files" -f -) | tar -x -C "$1" -f -
}

# A Mix that has no Hex and cannot find one.
without_hex() {
    MIX_HOME="$work/empty" HEX_HOME="$work/empty" HEX_OFFLINE=1 "$@"
}

# --- Mix ---

make_mix_project() {
    mkdir -p "$work/mix_app/lib"
    cat >"$work/mix_app/mix.exs" <<END
defmodule App.MixProject do
  use Mix.Project

  def project do
    [app: :app, version: "0.1.0", deps: [{:offheap, path: "../offheap"}]]
  end

  def application, do: [extra_applications: [:logger]]
end
END
    # A store, a counter, a buffer and a job, in ten lines.
    cat >"$work/mix_app/lib/app.ex" <<END
defmodule App do
  def run do
    counter = Offheap.Counter.new(1)
    Offheap.Counter.add(counter, 1, 42)
    pool = Offheap.Pool.new()
    {:ok, buffer} = Offheap.Buffer.lease(pool, 64, "abc")
    {:ok, digest} = Offheap.Jobs.run(:blake2b, buffer, lane: :dirty)
    {:ok, ^digest} = Offheap.Jobs.run(:blake2b, Offheap.Buffer.freeze(buffer), lane: :port)
    :ok = Offheap.Buffer.release(buffer)
    store = Offheap.Store.new(:app)
    Offheap.Store.put(store, :seen, {Offheap.Counter.get(counter, 1), byte_size(digest)})
    IO.inspect(Offheap.Store.to_list(store), label: "app")
  end
end
END
}

# example LANGUAGE: the blocks of that language in the README, which a new user copies.
example() {
    awk -v fence="\`\`\`$1" '$0 == fence { on = 1; next } /^```/ { on = 0 } on' "$top/README.md"
}

mix_compiles() {
    copy_tree "$work/offheap"
    make_mix_project
    cd "$work/mix_app"
    without_hex mix compile
}

mix_runs() {
    cd "$work/mix_app"
    without_hex mix run -e 'App.run()' | expect 'app: [seen: {42, 32}]'
}

mix_runs_readme() {
    cd "$work/mix_app"
    example elixir >readme.exs
    grep -q 'Offheap.Store.put' readme.exs
    without_hex mix run readme.exs
}

mix_has_top() {
    cd "$work/mix_app"
    without_hex mix offheap.top --once | expect 'offheap 0.1.0 on nonode@nohost'
}

# What an earlier make left in the source tree must not end up in the build.
mix_ignores_stray_output() {
    echo "not a library" >"$work/offheap/priv/offheap_nif.so"
    cd "$work/mix_app"
    without_hex mix deps.compile --force offheap
    without_hex mix run -e 'App.run()' | expect 'app: [seen: {42, 32}]'
    # Else Mix would write it into the build's at each call, under VMs that run it.
    [ ! -e "$work/offheap/priv/offheap_nif.so" ]
}

mix_source_is_untouched() {
    [ -z "$(find "$work/offheap/priv" -name 'offheap_*')" ]
}

mix_release() {
    cd "$work/mix_app"
    MIX_ENV=prod without_hex mix release --quiet
    # The library in the release, not the one it was copied from.
    rm -rf "$work/offheap_aside"
    mv "$work/offheap" "$work/offheap_aside"
    mv _build/prod/rel/app "$work/released"
    ls "$work"/released/lib/offheap-*/priv/offheap_nif.so "$work"/released/lib/offheap-*/priv/offheap_port
    "$work/released/bin/app" eval 'App.run()' | expect 'app: [seen: {42, 32}]'
    mv "$work/offheap_aside" "$work/offheap"
}

# --- rebar3 ---

# The usual programs, but no elixir and no mix.
make_path_without_elixir() {
    mkdir -p "$work/bin"
    for dir in $(echo "$PATH" | tr : ' '); do
        for program in "$dir"/*; do
            case ${program##*/} in
            elixir | elixirc | iex | mix) ;;
            *)
                # The first of a name is the one that is run.
                if [ -x "$program" ] && [ ! -e "$work/bin/${program##*/}" ]; then
                    ln -s "$program" "$work/bin/${program##*/}"
                fi
                ;;
            esac
        done
    done
}

make_rebar_project() {
    mkdir -p "$work/$1/src"
    echo "{deps, [$2]}." >"$work/$1/rebar.config"
    cat >"$work/$1/src/app.app.src" <<END
{application, app, [{vsn, "0.1.0"}, {applications, [kernel, stdlib, offheap]}]}.
END
    {
        cat <<END
-module(app).
-export([run/0, readme/0]).
run() ->
    Counter = offheap_counters:new(1, []),
    ok = offheap_counters:add(Counter, 1, 42),
    Pool = offheap_pool:new(),
    {ok, Buffer} = offheap_buffer:lease(Pool, 64, <<"abc">>),
    {ok, Digest} = offheap_jobs:run(blake2b, Buffer, [{lane, dirty}]),
    {ok, Digest} = offheap_jobs:run(blake2b, offheap_buffer:freeze(Buffer), [{lane, port}]),
    ok = offheap_buffer:release(Buffer),
    Store = offheap_store:new(app, [set]),
    true = offheap_store:insert(Store, {seen, offheap_counters:get(Counter, 1), byte_size(Digest)}),
    io:format("app: ~w~n", [offheap_store:lookup(Store, seen)]).
readme() ->
END
        example erlang
    } >"$work/$1/src/app.erl"
    grep -q 'offheap_store:insert(Store, \[' "$work/$1/src/app.erl"
}

rebar_run() {
    cd "$work/$1"
    # shellcheck disable=SC2086 # a list of folders
    PATH="$work/bin" erl -noshell -pa _build/default/lib/*/ebin -pa _build/default/checkouts/*/ebin \
        -eval '{ok, _} = application:ensure_all_started(offheap), {ok, _} = app:readme(), app:run(), halt().' |
        expect 'app: [{seen,42,32}]'
}

rebar_git() {
    make_path_without_elixir
    copy_tree "$work/repository"
    cd "$work/repository"
    git init -q
    git add -A
    git -c user.name=test -c user.email=test@localhost commit -q -m copy
    branch=$(git symbolic-ref --short HEAD)
    make_rebar_project rebar_git "{offheap, {git, \"file://$work/repository\", {branch, \"$branch\"}}}"
    cd "$work/rebar_git"
    PATH="$work/bin" HEX_OFFLINE=1 rebar3 compile
    rebar_run rebar_git
}

rebar_checkout() {
    make_rebar_project rebar_checkout offheap
    mkdir "$work/rebar_checkout/_checkouts"
    copy_tree "$work/rebar_checkout/_checkouts/offheap"
    cd "$work/rebar_checkout"
    PATH="$work/bin" rebar3 compile
    rebar_run rebar_checkout
}

# --- The native build ---

builds_with() {
    make -C "$top" native MIX_APP_PATH="$work/native_$1" CC="$1" CFLAGS="-O2 -Werror"
    [ -f "$work/native_$1/priv/offheap_nif.so" ] && [ -x "$work/native_$1/priv/offheap_port" ]
}
builds_with_gcc() { builds_with gcc; }
builds_with_clang() { builds_with clang; }

# The archive holds all of the library: an emulator that has it linked in would call its entry as the
# shared object here does, which is then loaded.
builds_static() {
    make -C "$top" static MIX_APP_PATH="$work/static" CFLAGS="-O2 -Werror"
    cd "$work/static"
    cat >entry.c <<END
#include <erl_nif.h>
ErlNifEntry *offheap_nif_nif_init(void);
ErlNifEntry *nif_init(void);
ErlNifEntry *nif_init(void) {
    return offheap_nif_nif_init();
}
END
    include=$(erl -noshell -eval 'io:format("~ts/usr/include", [code:root_dir()]), halt().')
    # shellcheck disable=SC2046 # a list of words
    gcc -fPIC -shared -I"$include" -o entry.so entry.c priv/offheap_nif.a -Wl,-z,nodelete \
        $(pkg-config --libs libsodium) -pthread -lm -ldl
    erl -noshell -pa "$work"/rebar_git/_build/default/lib/*/ebin -offheap nif_library '"./entry"' -eval '
        Ref = offheap_atomics:new(2, []),
        offheap_atomics:add(Ref, 2, 42),
        io:format("static: ~w~n", [offheap_atomics:to_list(Ref)]),
        halt().' | expect 'static: [0,42]'
}

# A toolchain for another machine that only notes what it is told, and an Erlang that must not be asked.
make_toolchain() {
    rm -rf "$work/cross"
    mkdir -p "$work/cross/bin" "$work/cross/erts" "$work/cross/ei" "$work/cross/pc"
    touch "$work/cross/erts/erl_nif.h" "$work/cross/ei/ei.h"
    cat >"$work/cross/bin/other-gcc" <<END
#!/bin/sh
if [ "\$1" = -dumpmachine ]; then echo $1; exit; fi
echo "\$0 \$*" >>"$work/cross/said"
while [ "\$1" != -o ]; do shift; done
: >"\$2"
END
    printf '#!/bin/sh\necho asked >>"%s"\n' "$work/cross/asked" >"$work/cross/bin/erl"
    chmod +x "$work/cross/bin/"*
    printf '%s\n' 'Name: libsodium' 'Description: for another machine' 'Version: 1' \
        'Cflags: -I/opt/sodium/include' 'Libs: -L/opt/sodium/lib -lsodium' >"$work/cross/pc/libsodium.pc"
}

build_cross() {
    cd "$top"
    PATH="$work/cross/bin:$PATH" PKG_CONFIG_LIBDIR="$work/cross/pc" PKG_CONFIG_SYSROOT_DIR=/sysroot \
        CROSSCOMPILE=other CFLAGS=-Os LDFLAGS=-L/sysroot/lib ERTS_INCLUDE_DIR="$work/cross/erts" \
        ERL_EI_INCLUDE_DIR="$work/cross/ei" ERL_EI_LIBDIR=/sysroot/ei \
        make native MIX_APP_PATH="$work/cross/out"
    [ ! -e "$work/cross/asked" ]
    # Nothing but the toolchain ran: each file that it was told of is empty.
    [ -z "$(find "$work/cross/out" -type f -size +0)" ]
}

cross_linux() {
    make_toolchain armv7-nerves-linux-gnueabihf
    build_cross
    grep -e ' -c .*nif_main.c' "$work/cross/said" |
        grep -e " -Os .*-I/sysroot/opt/sodium/include -I$work/cross/erts"
    grep -e ' -shared .*offheap_nif[.]so.* -L/sysroot/lib .*-L/sysroot/opt/sodium/lib' "$work/cross/said"
    grep -e 'offheap_port.* -L/sysroot/ei -lei' "$work/cross/said"
}

cross_darwin() {
    make_toolchain aarch64-apple-darwin23
    build_cross
    grep -e ' -bundle -undefined dynamic_lookup .*offheap_nif.so' "$work/cross/said"
}

# missing VARIABLE=VALUE TEXT: the build fails, and all it says is one line with TEXT and a package.
missing() {
    if make --silent -C "$top" native MIX_APP_PATH="$work/missing" "$1" >"$work/said" 2>&1; then
        return 1
    fi
    cat "$work/said"
    [ "$(grep -c '^offheap: ' "$work/said")" = 1 ]
    # Besides that line only make's own word that it stopped.
    [ "$(grep -v -c -e '^offheap: ' -e '^make' "$work/said")" = 0 ]
    grep '^offheap: ' "$work/said" | grep -F "$2" | grep -q install
}
missing_libsodium() { missing PKG_CONFIG=false libsodium-dev; }
missing_nif_header() { missing ERTS_INCLUDE_DIR=/nonexistent erlang-dev; }
missing_ei_header() { missing ERL_EI_INCLUDE_DIR=/nonexistent erlang-dev; }

step "a fresh Mix project compiles with Offheap, without Hex" mix_compiles
step "it runs" mix_runs
step "the README's examples run in it" mix_runs_readme
step "it has mix offheap.top" mix_has_top
step "the source tree got no build output" mix_source_is_untouched
step "output of an earlier make in the source tree does no harm" mix_ignores_stray_output
step "its release contains and loads the library" mix_release
step "a fresh rebar3 project with Offheap from git compiles and runs, without Elixir, with the README's examples" rebar_git
step "a rebar3 project with Offheap as a checkout compiles and runs, without Elixir" rebar_checkout
step "gcc builds without a warning" builds_with_gcc
step "clang builds without a warning" builds_with_clang
step "the archive for static linking is whole" builds_static
step "a cross build for Linux takes the toolchain and the folders it is given, and asks no Erlang" cross_linux
step "a cross build for macOS links a bundle" cross_darwin
step "a missing libsodium is named in one line" missing_libsodium
step "a missing erl_nif.h is named in one line" missing_nif_header
step "a missing ei.h is named in one line" missing_ei_header

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
