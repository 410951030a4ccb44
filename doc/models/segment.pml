/*
 * Look-up in a segment while its entry moves: c_src/core/oh_segment.h, oh_table.h.
 *
 * A key is there all the time. The writer, which holds the segment's lock, replaces its value, or
 * moves the entry to the next slot that was never used: it stores the new slot's value, then its meta
 * (M2), and only then makes the old slot absent (V2). A reader goes through the groups: it loads a
 * group's meta in one step (M1), then the value of each slot that the meta shows to be the key's (V1);
 * a slot that turns out absent makes it load the meta again, and go on behind that slot.
 *
 * Claim: the reader always finds the key, and a value that the writer had stored for it.
 * Without loading the meta again (NO_RELOAD) the claim is false, and the search must find that.
 */
#define GROUPS 2
#define LANES  3
#define SLOTS  6 /* GROUPS * LANES */

bool meta[SLOTS];   /* the slot belongs to the key */
byte value[SLOTS];  /* 0: absent */
byte oldest = 1;    /* what a read that begins now may find at the least */

proctype writer() {
    byte at = 0, next, number = 1;
    do
    :: number < 4 -> /* replaces the value in place */
        number++;
        value[at] = number;        /* V2 */
        oldest = number
    :: at + 1 < SLOTS -> /* the entry changes its form */
        next = at + 1;
        value[next] = number;
        meta[next] = true;         /* M2 */
        value[at] = 0;             /* V2 */
        at = next
    :: break
    od
}

inline load_meta(g) {
    d_step {
        m[0] = meta[g * LANES];
        m[1] = meta[g * LANES + 1];
        m[2] = meta[g * LANES + 2]
    }
}

proctype reader() {
    byte g = 0, lane, found = 0, least;
    bool m[LANES];
    least = oldest;
    do
    :: g < GROUPS && found == 0 ->
        load_meta(g);              /* M1 */
        lane = 0;
        do
        :: lane < LANES && found == 0 ->
            if
            :: m[lane] ->
                found = value[g * LANES + lane]; /* V1 */
#ifndef NO_RELOAD
                if
                :: found == 0 -> load_meta(g)
                :: else -> skip
                fi
#endif
            :: else -> skip
            fi;
            lane++
        :: else -> break
        od;
        g++
    :: else -> break
    od;
    assert(found != 0);
    assert(found >= least)
}

init {
    atomic {
        meta[0] = true;
        value[0] = 1;
        run writer();
        run reader();
        run reader()
    }
}
