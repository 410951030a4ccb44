/*
 * A step to the next key in a tree while leaves change and split: c_src/core/oh_tree.h, oh_tree_walk.c.
 *
 * Leaves hold ascending keys in slots. The writer, which has the lock, inserts or removes a key: it
 * makes the version odd, moves slot after slot, makes the version even; that store counts. Or it splits
 * a leaf: it copies the halves, marks the leaf as replaced, and publishes another inner node. A reader
 * asks for the smallest key above 0: it goes down by whatever inner node it loaded, reads the slots one
 * by one and believes them if the version is the same afterwards (B1). If the leaf has no such key, it
 * goes on in the next leaf of the same inner node, and at last asks whether the leaves it passed, and
 * the one that answered, are still what they were (B4); else it begins again.
 *
 * Claim: the answer was right at one instant between the reader's begin and its end.
 * Without looking at the version (NO_VERSION), or at the leaf that was passed (NO_NEIGHBOUR), the claim
 * is false, and the search must find that.
 */
#define KEYS   4 /* 0 to 3; 0 is never there */
#define LEAVES 6
#define NONE   4 /* there is no larger key */
#ifndef OPS
#define OPS 3
#endif

byte slot[24];      /* LEAVES * KEYS; a key, or 0 behind the last one */
byte version[LEAVES];
bool replaced[LEAVES];
byte low[LEAVES];   /* the smallest key that may stand there */
byte leaves = 2;    /* how many were ever made */
byte child[12];     /* of inner nodes, which have three places: a leaf + 1, or 0 */
byte root, inners = 1;

bool there[KEYS];
byte answer = 2;    /* the right one now */
bool right[5];      /* which ones were right since the reader began */

/* What is there has changed. */
inline changed() {
    answer = NONE;
    if
    :: there[1] -> answer = 1
    :: !there[1] && there[2] -> answer = 2
    :: !there[1] && !there[2] && there[3] -> answer = 3
    :: else -> skip
    fi;
    right[answer] = true
}

/* The leaf for key k by the newest inner node, and its place there. */
inline find_leaf() {
    atomic {
        j = 0;
        do
        :: j < 2 && child[root * 3 + j + 1] != 0 && low[child[root * 3 + j + 1] - 1] <= k -> j++
        :: else -> break
        od;
        l = child[root * 3 + j] - 1
    }
}

inline insert() {
    version[l]++;
    i = 3;
    do
    :: i > 0 && (slot[l * KEYS + i - 1] == 0 || slot[l * KEYS + i - 1] > k) ->
        slot[l * KEYS + i] = slot[l * KEYS + i - 1];
        i--
    :: else -> break
    od;
    slot[l * KEYS + i] = k;
    atomic { version[l]++; there[k] = true; changed() }
}

inline remove() {
    version[l]++;
    i = 0;
    do
    :: i < 3 ->
        if
        :: slot[l * KEYS + i] >= k -> slot[l * KEYS + i] = slot[l * KEYS + i + 1]
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    atomic { version[l]++; there[k] = false; changed() }
}

/* Splits l, child j of the root, before k. */
inline split() {
    atomic {
        low[leaves] = low[l];
        low[leaves + 1] = k;
        i = 0; n = 0;
        do
        :: i < 3 && slot[l * KEYS + i] != 0 ->
            if
            :: slot[l * KEYS + i] < k -> slot[leaves * KEYS + i] = slot[l * KEYS + i]
            :: else -> slot[(leaves + 1) * KEYS + n] = slot[l * KEYS + i]; n++
            fi;
            i++
        :: else -> break
        od;
        i = 0; n = 0;
        do
        :: i < 3 && n < 3 && child[root * 3 + i] != 0 ->
            if
            :: i == j ->
                child[inners * 3 + n] = leaves + 1;
                child[inners * 3 + n + 1] = leaves + 2;
                n = n + 2
            :: else -> child[inners * 3 + n] = child[root * 3 + i]; n++
            fi;
            i++
        :: else -> break
        od
    }
    replaced[l] = true;
    atomic { root = inners; inners++; leaves = leaves + 2 }
}

proctype writer() {
    byte k, l, i, j, n, ops = 0;
    do
    :: ops < OPS ->
        ops++;
        select(k : 1 .. 3);
        find_leaf();
        if
        :: !there[k] -> insert()
        :: there[k] -> remove()
        :: k > low[l] && child[root * 3 + 2] == 0 -> split()
        fi
    :: break
    od
}

proctype reader() {
    byte found, l, i, j, inner, seen, passed, passed_version;
begin:
    found = 0; passed = LEAVES;
    inner = root;
    j = 0;                          /* keys above 0 begin in the first leaf */
leaf:
    l = child[inner * 3 + j] - 1;
read:
    seen = version[l];
    if
    :: seen % 2 == 1 -> goto read
    :: else -> skip
    fi;
    i = 0; found = slot[l * KEYS];
#ifndef NO_VERSION
    if
    :: version[l] != seen -> goto read
    :: else -> skip
    fi;
#endif
    if
    :: found == 0 && j < 2 && child[inner * 3 + j + 1] != 0 ->
        if
        :: passed == LEAVES -> passed = l; passed_version = seen
        :: else -> goto begin       /* the model passes one leaf */
        fi;
        j++;
        goto leaf
    :: found == 0 && (j == 2 || child[inner * 3 + j + 1] == 0) -> found = NONE
    :: else -> skip
    fi;
#ifndef NO_NEIGHBOUR
    if
    :: passed != LEAVES ->
        if
        :: replaced[l] || replaced[passed] || version[passed] != passed_version -> goto begin
        :: else -> skip
        fi
    :: else -> skip
    fi;
#endif
    assert(right[found])
}

init {
    atomic {
        low[1] = 2;
        child[0] = 1;
        child[1] = 2;
        slot[KEYS] = 2;
        slot[KEYS + 1] = 3;
        there[2] = true;
        there[3] = true;
        right[2] = true;
        run writer();
        run reader()
    }
}
