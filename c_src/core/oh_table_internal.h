/* oh_table_internal: what oh_table.c and oh_table_many.c share. */
#ifndef OH_TABLE_INTERNAL_H
#define OH_TABLE_INTERNAL_H

#include "oh_lock.h"
#include "oh_reaper.h"
#include "oh_segment.h"
#include "oh_table.h"

typedef struct {
    oh_retired_t retired;
    oh_reaper_job_t job; /* once the table is closed */
    uint32_t depth;
    uint32_t generation; /* one more with each clear; the same when the directory doubles */
    _Atomic oh_segment_ref_t segment[]; /* 2^depth */
} oh_directory_t;

/* What readers look up while write_many publishes: what its keys held before. */
typedef struct {
    oh_retired_t retired;
    uint32_t generation; /* of the directory whose segments it changes */
    size_t count;
    struct oh_many_old {
        oh_key_t key;
        oh_entry_t old;
        bool found;
    } item[]; /* by ascending hash */
} oh_many_t;

struct oh_table {
    /* Read by every call, written seldom. */
    uint32_t salt; /* first: oh_table_salt */
    uint32_t tag;
    oh_table_type_t type;
    const oh_term_ops_t *ops;
    _Atomic(oh_directory_t *) directory; /* NULL: closed; written under directory_lock */
    _Atomic uint64_t many_sequence;      /* odd while write_many publishes */
    _Atomic(oh_many_t *) many;           /* set while many_sequence is odd */

    _Alignas(OH_CACHE_LINE) oh_lock_t directory_lock;
    oh_lock_t many_lock; /* one write_many at a time */
};

/* The segment for hash, locked; NULL if the table is closed. */
oh_segment_t *oh_table_lock_segment(oh_table_t *t, uint32_t hash);

/* Replaces s, locked, by a segment for the same hashes with room for extra more entries, which is
 * returned locked; s is unlocked and retired. NULL: s stays locked. OH_ENOMEM; OH_CLOSED; OH_BUSY:
 * the table was cleared, s is no longer part of it, look again. */
oh_segment_t *oh_table_rebuild(oh_table_t *t, oh_segment_t *s, uint32_t extra, oh_status_t *status);

/* While write_many publishes: true if key is one of its keys, then *found and *entry are what the
 * key held before. */
bool oh_many_old(const oh_table_t *t, const oh_key_t *key, oh_entry_t *entry, bool *found);

#endif
