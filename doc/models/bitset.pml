/*
 * The summary of a bit set (c_src/core/oh_bitset.c), for Spin: four words of two bits, two nodes above
 * them, a root above those. WORKERS processes share as many slots as they are; each claims one and
 * releases it, the first of them ROUNDS times. Accesses are sequentially consistent, one step each.
 *
 * Checked: no slot has two holders; no claim finds the root full; at the end no mark is wrong.
 *
 *     spin -a bitset.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m200000
 *
 * Two mistakes for Spin to find, by -D given to spin: with BLIND a mark is set without a look at whether
 * its proposal still stands; with LAZY a release does not look above a node that does not mark its word
 * (ROUNDS=2 FIRST=4: a claim then finds the root full, though a slot is there for it).
 */
#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef FIRST
#define FIRST 2 /* the first of the slots that are clear at the start: 2 and 3 are one word */
#endif

#define ROOT       6
#define PARENT(at) (4 + (at) / 2)

/* A word: two bits. A node: two marks, pending, proposed child, version. Full is the same for both. */
#define FULL(value)          (((value) & 3) == 3)
#define PENDING              4
#define CHILD(value)         (((value) >> 3) & 1)
#define MARKED(value, child) (((value) >> (child)) & 1)
#define PROPOSE(value, child) ((((value) & 1015) | PENDING | ((child) << 3)) + 16)

/* 0..3: words; 4, 5: nodes; 6: the root */
short cell[7];
byte holders[8];
byte ended;

/* Decides the proposal of cell[n] that stands in value. */
inline settle(n, value) {
    settled = value - PENDING;
    look = (n - 4) * 2 + CHILD(value);
    if
    :: FULL(cell[look]) -> settled = settled | (1 << CHILD(value))
    :: else
    fi;
#ifdef BLIND
    cell[n] = settled
#else
    atomic {
        if
        :: cell[n] == value -> cell[n] = settled
        :: else
        fi
    }
#endif
}

/* mark_child in C, with two attempts. */
inline mark_child(i) {
    attempt = 0;
    all_marked = false;
    do
    :: attempt == 2 -> break
    :: else ->
        attempt++;
        value = cell[PARENT(i)];
        if
        :: MARKED(value, i & 1) -> all_marked = FULL(value); break
        :: else
        fi;
        if
        :: value & PENDING -> settle(PARENT(i), value)
        :: else ->
            if
            :: FULL(cell[i])
            :: else -> break
            fi;
            atomic {
                proposed = (cell[PARENT(i)] == value);
                if
                :: proposed -> value = PROPOSE(value, i & 1); cell[PARENT(i)] = value
                :: else
                fi
            };
            if
            :: proposed -> settle(PARENT(i), value)
            :: else
            fi
        fi
    od
}

/* Takes from node n the mark of its child, or the proposal to set it. */
inline unmark(n, child) {
    value = cell[n];
    do
    :: MARKED(value, child) || ((value & PENDING) && CHILD(value) == child) ->
        atomic {
            if
            :: cell[n] == value -> cell[n] = value & (1023 - PENDING - (1 << child))
            :: else
            fi;
            value = cell[n]
        }
    :: else -> break
    od
}

inline claim() {
    do
    :: true ->
        at = ROOT;
        value = cell[at];
        assert(!FULL(value)); /* there is a slot for each */
        at = 4 + (value & 1);
        value = cell[at];
        if
        :: FULL(value) -> mark_child(at)
        :: else ->
            at = (at - 4) * 2 + (value & 1);
            atomic {
                taken = !FULL(cell[at]);
                if
                :: taken -> slot = cell[at] & 1; cell[at] = cell[at] | (1 << slot)
                :: else
                fi;
                filled = FULL(cell[at])
            };
            if
            :: taken -> break
            :: else -> mark_child(at)
            fi
        fi
    od;
    if
    :: filled ->
        mark_child(at);
        if
        :: all_marked -> node = PARENT(at); mark_child(node)
        :: else
        fi
    :: else
    fi
}

inline release() {
    cell[at] = cell[at] & (3 - (1 << slot));
    node = PARENT(at);
#ifdef LAZY
    value = cell[node];
    if
    :: MARKED(value, at & 1) || (value & PENDING) ->
        unmark(node, (at & 1));
        unmark(ROOT, (node & 1))
    :: else
    fi
#else
    unmark(node, (at & 1));
    unmark(ROOT, (node & 1))
#endif
}

proctype worker(byte rounds) {
    byte at, slot, node, look, attempt, round;
    short value, settled;
    bool all_marked, taken, filled, proposed;
    do
    :: round == rounds -> break
    :: else ->
        round++;
        claim();
        atomic { holders[at * 2 + slot]++; assert(holders[at * 2 + slot] == 1) };
        holders[at * 2 + slot]--;
        release()
    od;
    ended++
}

init {
    byte i;
    d_step {
        i = 0;
        do
        :: i == 8 -> break
        :: else ->
            if
            :: i < FIRST || i >= FIRST + WORKERS -> cell[i / 2] = cell[i / 2] | (1 << (i & 1))
            :: else
            fi;
            i++
        od;
        i = 0;
        do
        :: i == ROOT -> break
        :: else ->
            if
            :: FULL(cell[i]) -> cell[PARENT(i)] = cell[PARENT(i)] | (1 << (i & 1))
            :: else
            fi;
            i++
        od
    };
    atomic {
        i = 0;
        do
        :: i == WORKERS -> break
        :: else -> run worker((i == 0 -> ROUNDS : 1)); i++
        od
    };
    ended == WORKERS;
    i = 0;
    do
    :: i == ROOT -> break
    :: else ->
        assert(!MARKED(cell[PARENT(i)], i & 1) || FULL(cell[i]));
        assert(!(cell[PARENT(i)] & PENDING));
        i++
    od
}
