/*
 * Every resource type: RESOURCE(name, version).
 *
 * The version is part of the type's name in the emulator. A library that changes the layout behind
 * a type raises its version: the old library then stays loaded until its last handle is gone,
 * instead of the new one misreading the old one's memory. Types of equal version are taken over at
 * an upgrade.
 */

RESOURCE(atomics, 2)
RESOURCE(hash, 2)
RESOURCE(pool, 2)
RESOURCE(payload, 2)

RESOURCE(buffer, 2)
RESOURCE(waiter, 1)
RESOURCE(file, 1)
RESOURCE(store, 5)

/* counters */
RESOURCE(counters, 1)

/* id generators */
RESOURCE(id_generator, 1)

RESOURCE(rate_limiter, 2)
RESOURCE(concurrency_limiter, 1)
RESOURCE(permit, 1)

/* histograms */
RESOURCE(histogram, 1)

/* bit sets */
RESOURCE(bitset, 1)
RESOURCE(bloom_filter, 1)
RESOURCE(hyperloglog, 1)

/* jobs */
RESOURCE(run, 2)
RESOURCE(process, 1)
RESOURCE(pipe, 1)
RESOURCE(crossing, 1)

/* match specifications */
RESOURCE(match, 1)
