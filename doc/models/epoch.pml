/*
 * Epochs and the reuse of cells: c_src/core/oh_epoch.h, oh_cells.h.
 *
 * Threads pin, load the slot, read the cell that it names, unpin. A writer takes a cell that
 * may be used, writes it, publishes it in the slot and retires the one before. A collector advances
 * the epoch. Each step that is one atomic operation in C is one step here, so all interleavings are
 * tried (sequentially consistent ones: the orders between threads are argued in the headers).
 *
 * Claim: a cell does not change while a pinned reader may look at it; and a reader finds the slot's
 * cell whole. With GRACE=1 the claim is false, and the search must find that.
 */
#ifndef GRACE
#define GRACE 3
#endif
#define WRITER  1
#define THREADS 2
#define CELLS   3
/* Where the search ends. */
#define READS   2
#define WRITES  4
#define EPOCHS  (GRACE + 4)

byte epoch = GRACE;
byte state[THREADS];      /* 0: not pinned; else the epoch at the pin */
byte slot = 0;            /* the cell that is current */
byte content[CELLS];      /* what it holds: 0 while it is written */
bool retired[CELLS];
byte tag[CELLS];
bool fresh[CELLS];        /* never used yet */

inline pin(me, e) {
    e = epoch;            /* acquire load */
    state[me] = e         /* exchange, P1 */
}

inline unpin(me) {
    state[me] = 0         /* release store, U1 */
}

proctype reader(byte me) {
    byte e, cell, seen, n = 0;
    do
    :: n < READS ->
        n++;
        pin(me, e);
        cell = slot;      /* V1 */
        seen = content[cell];
        assert(seen != 0);
        assert(content[cell] == seen);
        unpin(me)
    :: else -> break
    od
}

proctype writer() {
    byte e, cell, old, number = 1, n = 0;
    do
    :: n < WRITES ->
        n++;
        pin(WRITER, e);
        /* A place: fresh, or retired long enough ago. */
        cell = CELLS;
        atomic {
            if
            :: fresh[0] -> cell = 0
            :: fresh[1] -> cell = 1
            :: fresh[2] -> cell = 2
            :: retired[0] && tag[0] + GRACE <= epoch -> cell = 0
            :: retired[1] && tag[1] + GRACE <= epoch -> cell = 1
            :: retired[2] && tag[2] + GRACE <= epoch -> cell = 2
            :: else -> skip
            fi;
            if
            :: cell < CELLS -> fresh[cell] = false; retired[cell] = false
            :: else -> skip
            fi
        }
        if
        :: cell < CELLS ->
            content[cell] = 0;
            number = (number % 3) + 1;
            content[cell] = number;
            old = slot;
            slot = cell;  /* V2 */
            tag[old] = epoch;
            retired[old] = true
        :: else -> skip
        fi;
        unpin(WRITER)
    :: else -> break
    od
}

/* One collects at a time, so the epoch changes nowhere else. */
proctype collector() {
    byte e, i, s;
    bool all;
    do
    :: break
    :: epoch < EPOCHS ->
        e = epoch;
        all = true;
        i = 0;
        do
        :: i < THREADS && all ->
            s = state[i]; /* read-modify-write, A2 */
            if
            :: s != 0 && s != e -> all = false
            :: else -> i++
            fi
        :: else -> break
        od;
        if
        :: all -> epoch = e + 1
        :: else -> skip
        fi
    od
}

init {
    atomic {
        content[0] = 1;
        fresh[1] = true;
        fresh[2] = true;
        run reader(0);
        run writer();
        run collector()
    }
}
