#!/bin/sh
# compare.sh PROGRAM KEPT BUILT [keep]: counts the instructions that each path of PROGRAM (paths.c) takes an
# operation, and shows them beside those of the file KEPT. Fails if one takes over 3 % and more than one
# instruction more. BUILT says how the program was built: kept ones of another build are shown, but not
# judged. With "keep", writes KEPT instead.
set -eu
program=$1 kept=$2 built=$3 keep=${4-}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file="$folder/out" "$program" \
    >"$folder/names" 2>"$folder/messages" || {
    cat "$folder/messages" >&2
    exit 1
}

# Callgrind numbers its dumps from 1.
part=0
while read -r operations name; do
    part=$((part + 1))
    awk -v operations="$operations" -v name="$name" \
        '/^totals:/ { printf "%.1f\t%s\n", $2 / operations, name }' "$folder/out.$part"
done <"$folder/names" >"$folder/now"

if [ -n "$keep" ]; then
    {
        echo "# Instructions an operation of the core's hot paths (bench/instructions/paths.c): make instructions."
        echo "# Built: $built"
        cat "$folder/now"
    } >"$kept"
    echo "written: $kept"
    exit 0
fi

awk -F '\t' -v built="# Built: $built" '
    FNR == NR && /^# Built: / { same = $0 == built; if (!same) print "kept" substr($0, 8) "\nnow" substr(built, 8) "\n" }
    FNR == NR && !/^#/ { before[$2] = $1; next }
    FNR == NR { next }
    FNR == 1 { printf "%-40s %10s %10s\n", "instructions an operation", "kept", "now" }
    !($2 in before) { printf "%-40s %10s %10s\n", $2, "", $1; next }
    {
        old = before[$2]
        worse = $1 > old * 1.03 && $1 - old > 1
        regressions += worse
        printf "%-40s %10s %10s %+7.1f %%%s\n", $2, old, $1, 100 * ($1 - old) / old, worse ? "  <- more" : ""
    }
    END {
        if (regressions && !same) print "\nanother build than the kept one: not judged"
        exit regressions > 0 && same
    }' "$kept" "$folder/now"
