#!/bin/sh
# The spin models of doc/models: each must hold, and must not hold with the mutation that it names, or
# the search would prove nothing.
set -eu
cd "$(dirname "$0")/.."
models=$PWD/doc/models
work=_build/models
passed=0

# check MODEL EXPECTED-ERRORS FLAGS...
check() {
    model=$1 errors=$2
    shift 2
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
    passed=$((passed + 1))
}

check segment 0
check segment 1 -DNO_RELOAD
check epoch 0
check epoch 1 -DGRACE=1
check tree 0 -DOPS=4
check tree 1 -DNO_VERSION
check tree 1 -DNO_NEIGHBOUR
check tree_count 0 -DWRITES=1
check tree_count 1 -DNO_TICKET
# All orders of three workers are 167 million states: spin -a bitset.pml, without -D, tries them.
check bitset 0 -DWORKERS=2 -DROUNDS=3
check bitset 0 -DWORKERS=2 -DROUNDS=2 -DFIRST=4
check bitset 1 -DBLIND
check bitset 1 -DLAZY -DROUNDS=2 -DFIRST=4
check requests 0
check requests 1 -DSTALE
check requests 1 -DFORGET
check registry 0
check registry 1 -DBLIND
check registry 1 -DLAZY
check line 0
check line 1 -DLATE_LOOK
check line 1 -DNO_RECHECK
check line 1 -DFORGETFUL
echo "$passed passed, 0 failed"
