/*
 * The life of a request between its caller, the owner of a worker and the worker:
 * src/offheap_port_worker.erl, src/offheap_port_pool.erl, c_src/port/port_cancel.h.
 *
 * Callers send a request each to the owner, with an alias that dies with the owner's answer, and all but
 * the first may stop waiting at any moment: they take the alias back and tell the owner. The owner passes requests on
 * while there are credits; the others wait, or are refused when too many do. The worker answers in
 * order, may die at any moment, and may be replaced; its pipes die with it, so nothing of an earlier
 * worker reaches a later one. A cancelled request that the worker does not answer gets it killed.
 *
 * Claims: each caller that waits gets exactly one outcome, and one that stopped waiting none later; no
 * reply of an earlier worker is taken for a request of a later one; in the end nothing is in flight or
 * waits, and the worker's credits are all there.
 *
 * Two mutations must be found: answering by id alone, where pipes would outlive their worker (STALE);
 * and forgetting the requests in flight when the worker dies (FORGET).
 */
#ifndef CALLERS
#define CALLERS 3
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define CREDITS 2
#define QUEUE   1

mtype = { REQUEST, CANCEL, ANSWER, DIED, GRACE }
/* What a caller gets. */
#define OK       1
#define DEAD     2
#define REFUSED  3
#define CANCELLED 4

/* To the owner: kind, caller or id, generation of the worker. */
chan owner = [8] of { mtype, byte, byte };
/* To the worker, one at a time each: requests by id; cancellations beside them. */
chan pipe = [4] of { byte, byte };

byte outcomes[CALLERS];      /* how many each caller got */
byte last[CALLERS];          /* the last one */
bool alias[CALLERS];         /* still good */
bool ended[CALLERS];         /* the caller no longer waits */

byte generation = 0;         /* of the worker that runs */
bool alive = true;
bool told[CALLERS];          /* the worker was told that it is cancelled */
bool owner_ended = false;
byte callers_ended = 0;

/* An answer goes nowhere when the alias was taken back, or used. */
inline deliver(c, outcome) {
    if
    :: alias[c] ->
        alias[c] = false;
        outcomes[c]++;
        last[c] = outcome
    :: else -> skip
    fi
}

proctype caller(byte c) {
    owner!REQUEST(c, 0);
    if
    :: atomic { outcomes[c] > 0 -> ended[c] = true }
    :: atomic { c > 0 && alias[c] -> alias[c] = false; ended[c] = true }; /* stops waiting: takes it back */
       owner!CANCEL(c, 0)
    fi;
    atomic { callers_ended++ }
}

proctype worker_process() {
    byte id, g;
    byte deaths = 0;
end:
    do
#ifdef STALE
    :: atomic { alive && nempty(pipe) -> pipe?id, g };
#else
    :: atomic { alive && pipe?[_, eval(generation)] -> pipe?id, g };
#endif
       if
       :: told[id] -> owner!ANSWER(id, g)            /* cancelled */
       :: !told[id] -> owner!ANSWER(id, g)           /* done */
       :: deaths < DEATHS -> atomic { deaths++; alive = false }; owner!DIED(0, g)
       fi
#ifndef STALE
    :: atomic { nempty(pipe) && !pipe?[_, eval(generation)] -> pipe?id, g } /* its pipe is gone */
#endif
    od
}

proctype owner_process() {
    mtype kind;
    byte c, g, i, left;
    bool in_flight[CALLERS];
    bool waits[CALLERS];
    byte flights = 0, waiting = 0;
    byte handled = 0;
end:
    do
    :: owner?kind, c, g ->
        if
        :: kind == REQUEST ->
            if
            :: flights < CREDITS && waiting == 0 ->
                in_flight[c] = true; flights++; pipe!c, generation
            :: else ->
                if
                :: waiting < QUEUE -> waits[c] = true; waiting++
                :: else -> atomic { deliver(c, REFUSED) }
                fi
            fi
        :: kind == CANCEL ->
            if
            :: waits[c] -> waits[c] = false; waiting--
            :: else ->
                if
                :: in_flight[c] -> told[c] = true
                :: else -> skip
                fi
            fi
        :: kind == ANSWER ->
#ifndef STALE
            if
            :: g == generation ->
#endif
                assert(in_flight[c]);
                in_flight[c] = false; flights--;
                atomic { deliver(c, OK) }
#ifndef STALE
            :: else -> skip           /* the port it came from was closed */
            fi
#endif
        :: kind == DIED ->
            i = 0;
            do
            :: i < CALLERS ->
                if
                :: in_flight[i] ->
                    in_flight[i] = false; flights--;
#ifndef FORGET
                    atomic { deliver(i, DEAD) }
#endif
                :: else -> skip
                fi;
                i++
            :: else -> break
            od;
            atomic { generation++; alive = true }
        fi;
        /* Who waits, for a credit that came back. */
        i = 0;
        do
        :: i < CALLERS ->
            if
            :: waits[i] && flights < CREDITS ->
                waits[i] = false; waiting--;
                in_flight[i] = true; flights++; pipe!i, generation
            :: else -> skip
            fi;
            i++
        :: else -> break
        od
    :: timeout ->
        /* Nothing moves any more: all have their outcome, and nothing is held. */
        assert(callers_ended == CALLERS);
        assert(flights == 0 && waiting == 0);
        i = 0;
        do
        :: i < CALLERS ->
            assert(outcomes[i] <= 1);
            i++
        :: else -> break
        od;
        break
    od
}

init {
    byte i = 0;
    atomic {
        do
        :: i < CALLERS -> alias[i] = true; i++
        :: else -> break
        od;
        run owner_process();
        run worker_process();
        i = 0;
        do
        :: i < CALLERS -> run caller(i); i++
        :: else -> break
        od
    }
}
