/*
 * The line of waiters: c_src/core/oh_line.h.
 *
 * A giver makes one unit available, then pokes if it sees a waiter: it sets `poked` and tries the lock;
 * if that is held, the holder serves when it unlocks. Two waiters join, look, and sleep until they are
 * called; the first takes the unit, leaves, which calls the next, and gives the unit back. One may give
 * up instead. Each step that is one atomic operation in C is one step here.
 *
 * Claim: nobody sleeps for ever (an invalid end state). With LATE_LOOK (a waiter looks before it joins
 * and not after), NO_RECHECK (who unlocks does not look at `poked`) or FORGETFUL (a waiter that looks
 * still counts as called) the claim is false, and the search must find that.
 */
#define WAITERS 2
#define NONE    2

byte units = 0;
bool poked = false;
bool held = false;
byte waiting = 0;
byte first = NONE, second = NONE; /* the line */
bool called[WAITERS];             /* guarded by the lock */
bool message[WAITERS];            /* what wakes the sleeper */

inline lock() { atomic { !held -> held = true } }

/* Under the lock. */
inline serve() {
    if
    :: first != NONE && !called[first] -> called[first] = true; message[first] = true
    :: else
    fi
}

/* Unlocks, then looks at poked: a read-modify-write each. */
inline unlock_and_serve() {
    held = false;
#ifndef NO_RECHECK
    do
    :: !poked -> break
    :: else ->
        if
        :: atomic { !held -> held = true };
            poked = false;
            serve();
            held = false
        :: atomic { held -> skip }; break
        fi
    od
#endif
}

inline poke() {
    poked = true;
    do
    :: !poked -> break
    :: else ->
        if
        :: atomic { !held -> held = true };
            poked = false;
            serve();
            held = false
        :: atomic { held -> skip }; break
        fi
    od
}

inline join(me) {
    lock();
    called[me] = false;
    if
    :: first == NONE -> first = me
    :: else -> second = me
    fi;
    waiting++;
    unlock_and_serve()
}

inline leave(me) {
    lock();
    if
    :: first == me -> first = second; second = NONE
    :: else -> second = NONE
    fi;
    waiting--;
    serve();
    unlock_and_serve()
}

/* Looks if it is first; got says whether it took the unit. */
inline look(me, got) {
    lock();
    is_first = first == me;
#ifndef FORGETFUL
    if
    :: is_first -> called[me] = false
    :: else
    fi;
#endif
    unlock_and_serve();
    got = false;
    if
    :: is_first ->
        atomic {
            if
            :: units > 0 -> units--; got = true
            :: else
            fi
        }
    :: else
    fi
}

/* Uses the unit and gives it back. */
inline give() {
    units++;
    if
    :: waiting > 0 -> poke()
    :: else
    fi
}

proctype waiter(byte me; bool gives_up) {
    bool is_first, got;
#ifdef LATE_LOOK
    got = false;
    atomic {
        if
        :: units > 0 && waiting == 0 -> units--; got = true
        :: else
        fi
    }
    if
    :: got -> give(); goto done
    :: else
    fi;
    join(me);
#else
    join(me);
    look(me, got);
    if
    :: got -> goto took
    :: else
    fi;
#endif
    if
    :: gives_up -> leave(me); goto done
    :: else
    fi;
    do
    :: message[me]; /* sleeps here */
        message[me] = false;
        look(me, got);
        if
        :: got -> break
        :: else
        fi
    od;
took:
    leave(me);
    give();
done:
    skip
}

init {
    bool one_gives_up;
    if
    :: one_gives_up = true
    :: one_gives_up = false
    fi;
    atomic {
        run waiter(0, one_gives_up);
        run waiter(1, false)
    }
    give()
}
