#!/bin/sh
# The spin models of doc/models: each must hold, and must not hold with the mutation that it names, or
# the search would prove nothing.
set -eu
cd "$(dirname "$0")/.."
models=$PWD/doc/models

# MODEL EXPECTED-ERRORS FLAGS...: one search, in a folder of its own, so that several can run at once.
if [ $# -gt 0 ]; then
    model=$1 errors=$2
    shift 2
    work=_build/models/$(echo "$model$*" | tr -c 'A-Za-z0-9\n' _)
    rm -rf "$work"
    mkdir -p "$work"
    (
        cd "$work"
        spin "$@" -a "$models/$model.pml" >/dev/null
        # The warnings are of spin's own code.
        cc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c
        ./pan -m200000 >pan.out
        grep -q "errors: $errors" pan.out && ! grep -q "max search depth too small" pan.out
    ) || {
        echo "models: $model ($*): expected $errors errors" >&2
        cat "$work/pan.out" >&2
        exit 1
    }
    exit 0
fi

# All orders of three workers are 167 million states: spin -a bitset.pml, without -D, tries them.
checks="
segment 0
segment 1 -DNO_RELOAD
epoch 0
epoch 1 -DGRACE=1
tree 0 -DOPS=4
tree 1 -DNO_VERSION
tree 1 -DNO_NEIGHBOUR
tree_count 0 -DWRITES=1
tree_count 1 -DNO_TICKET
bitset 0 -DWORKERS=2 -DROUNDS=3
bitset 0 -DWORKERS=2 -DROUNDS=2 -DFIRST=4
bitset 1 -DBLIND
bitset 1 -DLAZY -DROUNDS=2 -DFIRST=4
requests 0
requests 1 -DSTALE
requests 1 -DFORGET
registry 0
registry 1 -DBLIND
registry 1 -DLAZY
line 0
line 1 -DLATE_LOOK
line 1 -DNO_RECHECK
line 1 -DFORGETFUL"

printf '%s\n' "$checks" | sed '/^$/d' | xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 sh test/models.sh
echo "$(printf '%s\n' "$checks" | grep -c .) passed, 0 failed"
