/*
 * Sums that inner nodes remember: c_src/core/oh_tree_walk.c, count_below; oh_tree_uncount.
 *
 * A root above one inner node above two leaves. A writer changes a leaf's count under the leaf's lock
 * and then, from the parent upwards, makes nodes forget their sums until it meets one that remembers
 * nothing. One who counts puts a ticket in the place of a sum before it counts what is below, each leaf
 * under its lock, and the sum in the place of the ticket if that is still there.
 *
 * Claim: when all are done, a remembered sum is the sum.
 * Without a ticket (NO_TICKET) the claim is false, and the search must find that.
 */
#define NOTHING 255
#define TICKET  100
#ifndef WRITES
#define WRITES 2
#endif

byte live[2];
bool locked[2];
byte sum[2] = NOTHING; /* of the root, 0, and of the node below */
byte tickets = TICKET;
byte done;

inline forget(node, on) {
    if
    :: on && sum[node] != NOTHING -> sum[node] = NOTHING
    :: else -> on = false
    fi
}

proctype writer(byte leaf) {
    byte n = 0;
    bool climbing;
    do
    :: n < WRITES ->
        n++;
        atomic { !locked[leaf] -> locked[leaf] = true };
        live[leaf]++;
        climbing = true;
        forget(1, climbing);
        forget(0, climbing);
        locked[leaf] = false
    :: else -> break
    od;
    done++
}

/* Counts below the inner node, as count_below does. */
inline count_node() {
    below = sum[1];
    if
    :: below >= TICKET ->
#ifndef NO_TICKET
        atomic { mine = tickets; tickets++ };
        sum[1] = mine;
#else
        mine = below;
#endif
        below = 0;
        leaf = 0;
        do
        :: leaf < 2 ->
            atomic { !locked[leaf] -> locked[leaf] = true };
            below = below + live[leaf];
            locked[leaf] = false;
            leaf++
        :: else -> break
        od;
        atomic {
            if
            :: sum[1] == mine -> sum[1] = below
            :: else -> skip
            fi
        }
    :: else -> skip
    fi
}

proctype counter() {
    byte below, leaf, mine, above;
    if
    :: sum[0] >= TICKET ->
#ifndef NO_TICKET
        atomic { above = tickets; tickets++ };
        sum[0] = above;
#else
        above = sum[0];
#endif
        count_node();
        atomic {
            if
            :: sum[0] == above -> sum[0] = below
            :: else -> skip
            fi
        }
    :: else -> skip
    fi;
    done++
}

init {
    atomic {
        run writer(0);
        run writer(1);
        run counter();
        run counter()
    }
    done == 4;
    assert(sum[0] >= TICKET || sum[0] == live[0] + live[1]);
    assert(sum[1] >= TICKET || sum[1] == live[0] + live[1])
}
