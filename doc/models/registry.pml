/*
 * Entries of the registry: c_src/core/oh_registry.h.
 *
 * Two makers take the one entry when it is free, write its values, publish it with one reference
 * and a new generation, and let it go; a walker takes references from the list; a finder reads the
 * values without one. Who lowers the references to 0 ends the body and gives the entry back. Each
 * step that is one atomic operation in C is one step here, so all interleavings are tried
 * (sequentially consistent ones: the orders between threads are argued in the header).
 *
 * Claims: who has a reference finds the body alive and as its maker entered it; a body ends once;
 * and the values that the finder accepts are those of one maker. With BLIND the walker does not ask
 * whether the references are 0; with LAZY the finder compares generations alone. Each claim is then
 * false, and the search must find that.
 */
#define ROUNDS 2
/* How often the walker and the finder look. */
#define LOOKS 3

byte references = 0, generation = 0; /* one word in C */
byte value[2];
bool free_entry = true;              /* the list of free entries */
byte alive = 0;                      /* number of the body that the entry is for; 0: ended */
byte numbers = 0;

inline unref() {
    atomic { /* R2, A2 */
        assert(references > 0);
        references--;
        last = references == 0
    };
    if
    :: last ->
        assert(alive != 0);
        alive = 0;
        free_entry = true
    :: else
    fi
}

proctype maker() {
    byte body, n = 0;
    bool last;
    do
    :: n < ROUNDS ->
        n++;
        atomic { free_entry -> free_entry = false; numbers++; body = numbers };
        alive = body;
        value[0] = body; /* F2 */
        value[1] = body;
        atomic { generation++; references = 1 }; /* R1 */
        assert(alive == body);
        unref()
    :: else -> break
    od
}

/* next and unref */
proctype walker() {
    byte n = 0, body;
    bool last, taken;
    do
    :: n < LOOKS ->
        n++;
        atomic { /* A1: the compare-and-swap */
#ifdef BLIND
            taken = true;
#else
            taken = references > 0;
#endif
            references = references + taken
        };
        if
        :: taken ->
            body = value[0];
            assert(body != 0 && alive == body && value[1] == body);
            unref()
        :: else
        fi
    :: else -> break
    od
}

/* find */
proctype finder() {
    byte n = 0, before, first, second;
    bool live;
    do
    :: n < LOOKS ->
        n++;
        atomic { live = references > 0; before = generation };
        if
        :: live ->
            first = value[0]; /* F1 */
            second = value[1];
            atomic {
#ifdef LAZY
                live = generation == before
#else
                live = references > 0 && generation == before
#endif
            };
            assert(!live || first == second)
        :: else
        fi
    :: else -> break
    od
}

init {
    atomic {
        run maker();
        run maker();
        run walker();
        run finder()
    }
}
