#include "oh_table.h"
#include "oh_alloc.h"
#include "oh_reaper.h"
#include "oh_segment.h"
#include "oh_table_internal.h"

#include <string.h>

/* Waits for one segment's lock that make it split for its writers' sake. */
#define CONTENTION_SPLIT 16
/* Directory depth beyond which contention alone does not split. */
#define CONTENTION_DEPTH_MAX 7
/* Dead words that a segment may keep in any case: a rebuild costs an environment. */
#define GARBAGE_WORDS 2048
/* Retired objects that a writer frees after its own retirement. */
#define COLLECT_BUDGET 3

/* --- Directory --- */

static oh_directory_t *directory_new(uint32_t depth, uint32_t generation) {
    size_t count = (size_t)1 << depth;
    oh_directory_t *d = oh_alloc(sizeof *d + count * sizeof d->segment[0]);
    if (d != NULL) {
        d->depth = depth;
        d->generation = generation;
    }
    return d;
}

static void free_retired_directory(oh_retired_t *retired) {
    oh_free(OH_CONTAINER_OF(retired, oh_directory_t, retired));
}

static size_t directory_bytes(const oh_directory_t *d) {
    return sizeof *d + ((size_t)1 << d->depth) * sizeof d->segment[0];
}

/* Doubles the directory. directory_lock is held. */
static oh_directory_t *directory_double(oh_table_t *t, oh_directory_t *old) {
    oh_directory_t *d = directory_new(old->depth + 1, old->generation);
    if (d == NULL)
        return NULL;
    for (size_t i = 0; i < (size_t)1 << old->depth; i++) {
        oh_segment_ref_t ref = oh_load_relaxed(&old->segment[i]);
        oh_store_relaxed(&d->segment[2 * i], ref);
        oh_store_relaxed(&d->segment[2 * i + 1], ref);
    }
    oh_store_release(&t->directory, d); /* D2: pairs with D1 */
    oh_epoch_retire(&old->retired, directory_bytes(old), free_retired_directory);
    return d;
}

/* Points the directory's entries for s's hashes to s. directory_lock is held. */
static void directory_set(oh_directory_t *d, oh_segment_t *s) {
    size_t first = d->depth == 0 ? 0 : s->prefix >> (32 - d->depth);
    size_t count = (size_t)1 << (d->depth - s->depth);
    for (size_t i = first; i < first + count; i++)
        oh_store_release(&d->segment[i], oh_segment_ref(s)); /* S2: pairs with S1 */
}

/* Whether the directory has s. */
static bool directory_has(const oh_directory_t *d, const oh_segment_t *s) {
    size_t first = d->depth == 0 ? 0 : s->prefix >> (32 - d->depth);
    return oh_segment_of(oh_load_relaxed(&d->segment[first])) == s;
}

/* Publishes one or two segments in the place of old, which the caller has locked. On an error
 * nothing changed; OH_BUSY: old is no longer there, the table was cleared. */
static oh_status_t publish(oh_table_t *t, oh_segment_t *old, oh_segment_t *a, oh_segment_t *b) {
    oh_status_t status = OH_OK;
    oh_lock(&t->directory_lock);
    oh_directory_t *d = oh_load_relaxed(&t->directory);
    if (d == NULL)
        status = OH_CLOSED;
    else if (!directory_has(d, old))
        status = OH_BUSY;
    else if (a->depth > d->depth && (d = directory_double(t, d)) == NULL)
        status = OH_ENOMEM;
    if (status == OH_OK) {
        directory_set(d, a);
        if (b != NULL)
            directory_set(d, b);
        old->replaced = true;
    }
    oh_unlock(&t->directory_lock);
    return status;
}

/* --- Life --- */

/* A directory with one empty segment; NULL when memory is out. */
static oh_directory_t *directory_empty(const oh_term_ops_t *ops, uint32_t generation) {
    oh_directory_t *d = directory_new(0, generation);
    oh_segment_t *s = oh_segment_new(ops, 0, 0, 4);
    if (d == NULL || s == NULL) {
        oh_free_aligned((void *)s);
        oh_free(d);
        return NULL;
    }
    oh_store_relaxed(&d->segment[0], oh_segment_ref(s));
    return d;
}

oh_table_t *oh_table_new(const oh_term_ops_t *ops, uint32_t tag, uint32_t salt) {
    return oh_table_new_typed(ops, tag, salt, OH_TABLE_SET);
}

oh_table_t *oh_table_new_typed(const oh_term_ops_t *ops, uint32_t tag, uint32_t salt,
                               oh_table_type_t type) {
    oh_table_t *t = oh_alloc_aligned(sizeof *t, OH_CACHE_LINE);
    oh_directory_t *d = directory_empty(ops, 0);
    if (t == NULL || d == NULL) {
        if (d != NULL)
            oh_segment_free(oh_segment_of(oh_load_relaxed(&d->segment[0])), false);
        oh_free(d);
        oh_free_aligned(t);
        return NULL;
    }
    memset((void *)t, 0, sizeof *t);
    t->salt = salt;
    t->ops = ops;
    t->tag = tag;
    t->type = type;
    oh_store_release(&t->directory, d);
    return t;
}

/* On the reaper's thread: frees the segments and the directory of a table that was closed or
 * cleared. */
static void run_free_directory(oh_reaper_job_t *job) {
    oh_directory_t *d = OH_CONTAINER_OF(job, oh_directory_t, job);
    for (size_t i = 0; i < (size_t)1 << d->depth;) {
        oh_segment_t *s = oh_segment_of(oh_load_acquire(&d->segment[i]));
        i += (size_t)1 << (d->depth - s->depth);
        oh_segment_free(s, true);
    }
    oh_free(d);
}

/* After the grace period: nobody is in a call that began before. */
static void hand_to_reaper(oh_retired_t *retired) {
    oh_directory_t *d = OH_CONTAINER_OF(retired, oh_directory_t, retired);
    d->job.run = run_free_directory;
    oh_reaper_push(&d->job);
}

bool oh_table_close(oh_table_t *t) {
    oh_lock(&t->directory_lock);
    oh_directory_t *d = oh_exchange_acqrel(&t->directory, NULL);
    oh_unlock(&t->directory_lock);
    if (d == NULL)
        return false;
    oh_epoch_retire(&d->retired, directory_bytes(d), hand_to_reaper);
    oh_reaper_hint();
    return true;
}

/*
 * One store publishes an empty directory. Calls that loaded the old one before go on in the old
 * segments, as if they had come before the store; their segments are never published again
 * (publish), and no record of theirs concerns who looks into the new directory (oh_many_t). So the
 * order of all calls is: those of the old directory, the clearing, those of the new one.
 */
oh_status_t oh_table_clear(oh_table_t *t) {
    oh_status_t status = OH_CLOSED;
    oh_lock(&t->directory_lock);
    oh_directory_t *old = oh_load_relaxed(&t->directory);
    if (old != NULL) {
        oh_directory_t *d = directory_empty(t->ops, old->generation + 1);
        status = d == NULL ? OH_ENOMEM : OH_OK;
        if (d != NULL)
            oh_store_release(&t->directory, d); /* D2: pairs with D1 */
    }
    oh_unlock(&t->directory_lock);
    if (status == OH_OK) {
        oh_epoch_retire(&old->retired, directory_bytes(old), hand_to_reaper);
        oh_reaper_hint();
    }
    return status;
}

void oh_table_destroy(oh_table_t *t) {
    oh_directory_t *d = oh_load_acquire(&t->directory);
    if (d != NULL)
        run_free_directory(&d->job);
    oh_table_free(t);
}

bool oh_table_closed(const oh_table_t *t) {
    return oh_load_acquire(&t->directory) == NULL;
}

void oh_table_free(oh_table_t *t) {
    oh_free_aligned(t);
}

/* --- Reading --- */

/* The reference to the segment for hash, or 0 if the table is closed. */
static inline oh_segment_ref_t segment_ref(const oh_table_t *t, uint32_t hash) {
    const oh_directory_t *d = oh_load_acquire(&t->directory); /* D1: pairs with D2 */
    if (oh_unlikely(d == NULL))
        return 0;
    return oh_load_acquire(&d->segment[(uint64_t)hash >> (32 - d->depth)]); /* S1: pairs with S2 */
}

/* The segment for hash, or NULL if the table is closed. */
static inline oh_segment_t *segment_for(const oh_table_t *t, uint32_t hash) {
    return oh_segment_of(segment_ref(t, hash));
}

/* many: the table may have several objects a key. */
OH_ALWAYS_INLINE oh_status_t get(const oh_table_t *t, const oh_key_t *key, bool many,
                                 oh_entry_t *entry) {
    for (;;) {
        /* Even: no write_many is publishing. Unchanged after the look-up: none has begun or ended
         * meanwhile, so what was found is not half of one. */
        uint64_t sequence = oh_load_acquire(&t->many_sequence); /* Q1: pairs with Q2 and Q3 */
        bool found;
        if (oh_unlikely(sequence & 1) && oh_many_old(t, key, entry, &found)) {
            if (oh_load_acquire(&t->many_sequence) != sequence)
                continue;
            return found ? OH_OK : OH_NOT_FOUND;
        }
        oh_segment_ref_t ref = segment_ref(t, key->hash);
        if (oh_unlikely(ref == 0))
            return OH_CLOSED;
        found = oh_segment_find(oh_segment_of(ref), oh_segment_ref_shape(ref), key, entry, NULL) !=
                OH_SLOT_NONE;
        if (many && found)
            oh_entry_set_version(entry);
        /* A value that write_many stored was loaded by acquire (V1), so this load sees Q2 at least.
         */
        if (oh_likely(oh_load_acquire(&t->many_sequence) == sequence))
            return found ? OH_OK : OH_NOT_FOUND;
    }
}

oh_status_t oh_table_get(const oh_table_t *t, const oh_key_t *key, oh_entry_t *entry) {
    return get(t, key, false, entry);
}

oh_status_t oh_table_get_objects(const oh_table_t *t, const oh_key_t *key, oh_entry_t *entry) {
    return get(t, key, true, entry);
}

/* --- Rebuilding --- */

/* The segment that is to replace s, not yet published; NULL when memory is out. */
static oh_segment_t *rebuilt(const oh_table_t *t, oh_segment_t *s, uint32_t extra,
                             oh_segment_move_t move) {
    /* Nothing but values was replaced: no slot need move. */
    bool in_place = !(move.arena && move.cells) && oh_load_relaxed(&s->live) == s->used &&
                    s->used + extra <= oh_segment_capacity(s);
    uint64_t *hashes = in_place ? NULL : oh_segment_hashes(s, t->salt);
    oh_segment_t *to =
        in_place ? oh_segment_new_like(s)
                 : oh_segment_new(s->ops, s->prefix, s->depth, oh_load_relaxed(&s->live) + extra);
    bool filled =
        to != NULL && (in_place ? oh_segment_compact(to, s, move, t->tag)
                                : hashes != NULL && oh_segment_fill(to, s, hashes, move, t->tag));
    oh_free(hashes);
    if (!filled && to != NULL) {
        oh_segment_free(to, false);
        to = NULL;
    }
    return to;
}

oh_segment_t *oh_table_rebuild(oh_table_t *t, oh_segment_t *s, uint32_t extra,
                               oh_status_t *status) {
    oh_segment_move_t move = oh_segment_what_to_move(s);
    oh_segment_t *to = rebuilt(t, s, extra, move);
    *status = OH_ENOMEM;
    if (to == NULL)
        return NULL;
    oh_lock(&to->lock);
    *status = publish(t, s, to, NULL);
    oh_segment_moved(to, s, move, *status == OH_OK);
    if (*status != OH_OK) {
        oh_segment_free(to, false);
        return NULL;
    }
    to->contention = s->contention;
    oh_unlock(&s->lock);
    oh_segment_retire(s);
    return to;
}

/* Splits s, locked, in two. The half for hash is returned locked; s is unlocked and retired. NULL
 * as above. */
static oh_segment_t *split(oh_table_t *t, oh_segment_t *s, uint32_t hash, oh_status_t *status) {
    uint32_t depth = s->depth + 1u;
    oh_segment_t *child[2] = {NULL, NULL};
    uint64_t *hashes = oh_segment_hashes(s, t->salt);
    *status = OH_ENOMEM;
    if (hashes == NULL)
        return NULL;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t prefix = s->prefix | i << (32 - depth);
        uint32_t live = oh_segment_count(s, hashes, prefix, depth);
        child[i] = oh_segment_new(s->ops, prefix, depth, live + 1);
        if (child[i] == NULL ||
            !oh_segment_fill(child[i], s, hashes, (oh_segment_move_t){0}, t->tag))
            goto failed;
    }
    oh_segment_t *mine = child[hash >> (32 - depth) & 1];
    oh_lock(&mine->lock);
    if ((*status = publish(t, s, child[0], child[1])) != OH_OK)
        goto failed;
    oh_unlock(&s->lock);
    oh_segment_retire(s);
    oh_free(hashes);
    return mine;
failed:
    oh_free(hashes);
    for (int i = 0; i < 2; i++)
        if (child[i] != NULL)
            oh_segment_free(child[i], false);
    return NULL;
}

/* Makes room for one more entry in s, locked. Returns s or what replaced it, locked; NULL and
 * *status if that failed, s still locked. */
static oh_segment_t *make_room(oh_table_t *t, oh_segment_t *s, uint32_t hash, oh_status_t *status) {
    uint32_t live = oh_load_relaxed(&s->live);
    bool full = s->used >= oh_segment_capacity(s);
    uint64_t words = oh_segment_words(s), dead = oh_segment_garbage(s);
    bool garbage = dead > GARBAGE_WORDS && dead * 2 > words;
    bool crowded = words > OH_SEGMENT_WORDS_MAX && s->used > 1;
    bool contended =
        s->contention >= CONTENTION_SPLIT && s->depth < CONTENTION_DEPTH_MAX && live > 7;
    if (oh_likely(!full && !garbage && !crowded && !contended))
        return s;
    bool may_split = s->depth < OH_DEPTH_MAX && live > 1;
    bool mostly_live = dead * 4 <= words;
    if (may_split &&
        ((full && live >= OH_SEGMENT_LIVE_MAX) || contended || (crowded && mostly_live)))
        return split(t, s, hash, status);
    if (full || garbage || !mostly_live)
        return oh_table_rebuild(t, s, 1 + live / 16, status);
    return s;
}

/* --- Writing --- */

oh_segment_t *oh_table_lock_segment(oh_table_t *t, uint32_t hash) {
    for (;;) {
        oh_segment_ref_t ref = segment_ref(t, hash);
        if (ref == 0)
            return NULL;
        oh_segment_t *s = oh_segment_of(ref);
        oh_segment_prefetch(s, oh_segment_ref_shape(ref), hash);
        if (oh_unlikely(!oh_lock(&s->lock)) && s->contention < UINT8_MAX)
            s->contention++;
        if (oh_likely(!s->replaced))
            return s;
        oh_unlock(&s->lock);
    }
}

oh_status_t oh_table_begin(oh_table_t *t, oh_write_t *w, const oh_key_t *key, bool room) {
    oh_segment_t *s;
    oh_status_t status;
    w->retired = false;
    for (;;) {
        s = oh_table_lock_segment(t, key->hash);
        if (s == NULL)
            return OH_CLOSED;
        if (!room)
            break;
        /* Where the put will write: another processor may have it. */
        __builtin_prefetch(s->cells.oldest, 1);
        status = OH_OK;
        oh_segment_t *roomy = make_room(t, s, key->hash, &status);
        w->retired = roomy != s;
        if (roomy != NULL) {
            s = roomy;
            break;
        }
        /* Without memory for a rebuild the segment still serves while it has an EMPTY slot. */
        if (status == OH_ENOMEM && s->used < oh_segment_capacity(s))
            break;
        oh_unlock(&s->lock);
        if (status != OH_BUSY)
            return status;
    }
    w->segment = s;
    oh_segment_look(w, key);
    return OH_OK;
}

oh_status_t oh_table_put(oh_table_t *t, oh_write_t *w, oh_item_t *item) {
    if (!oh_segment_copy_item(w, item, t->tag))
        return OH_ENOMEM;
    oh_segment_store_item(w, item);
    w->retired |= w->found && w->entry.box != NULL;
    return OH_OK;
}

void oh_table_remove(oh_table_t *t, oh_write_t *w) {
    oh_segment_t *s = w->segment;
    w->retired |= w->entry.box != NULL;
    oh_segment_kill(s, w->slot);
    uint32_t live = oh_load_relaxed(&s->live);
    if (s->groups > 4 && live < s->groups / 2) { /* an eighth of the slots */
        oh_status_t status;
        oh_segment_t *smaller = oh_table_rebuild(t, s, live / 8, &status);
        if (smaller != NULL) {
            w->segment = smaller;
            w->retired = true;
        }
    }
}

void oh_table_end(oh_table_t *t, oh_write_t *w) {
    (void)t;
    oh_unlock(&w->segment->lock);
    if (oh_unlikely(w->retired)) {
        oh_epoch_collect(COLLECT_BUDGET);
        oh_reaper_hint();
    }
}

/* --- Walking --- */

uint32_t oh_table_scan_room(const oh_table_t *t, oh_position_t position) {
    const oh_segment_t *s = position < OH_POSITION_END ? segment_for(t, (uint32_t)position) : NULL;
    return s == NULL ? 0 : s->groups * OH_GROUP_SLOTS;
}

oh_status_t oh_table_scan(oh_table_t *t, oh_position_t *position, oh_entry_t *entries,
                          uint32_t room, uint32_t *count) {
    uint32_t n = 0;
    oh_segment_t *s = oh_table_lock_segment(t, (uint32_t)*position);
    if (s == NULL)
        return OH_CLOSED;
    if (oh_load_relaxed(&s->live) > room) {
        oh_unlock(&s->lock);
        return OH_LIMIT;
    }
    for (uint32_t i = 0; i < s->groups * OH_GROUP_SLOTS; i++) {
        uint32_t form = oh_segment_meta(s, i) & OH_META_FORM;
        const oh_slot_t *slot = oh_segment_slot(s, i);
        oh_word_t value = oh_load_relaxed(&slot->value);
        if (value == OH_WORD_NONE)
            continue;
        oh_form_entry(form, oh_load_relaxed(&slot->key), value, &entries[n]);
        if (s->many > 0)
            oh_entry_set_version(&entries[n]);
        n++;
    }
    *position = oh_segment_end(s);
    oh_unlock(&s->lock);
    *count = n;
    return OH_OK;
}

/* How many segments ahead a walk asks for what it will read. */
#define SIZE_AHEAD 8

oh_status_t oh_table_size(const oh_table_t *t, oh_position_t *position, uint32_t *segments,
                          uint64_t *size) {
    uint32_t n = 0;
    const oh_directory_t *d = oh_load_acquire(&t->directory); /* D1 */
    if (d == NULL)
        return OH_CLOSED;
    /* One directory for the whole walk: a segment that is replaced meanwhile keeps its last
     * count. */
    uint32_t shift = 32 - d->depth;
    for (; n < *segments && *position < OH_POSITION_END; n++) {
        uint64_t i = *position >> shift;
        oh_segment_t *s = oh_segment_of(oh_load_acquire(&d->segment[i])); /* S1 */
        uint64_t step = (uint64_t)1 << (d->depth - s->depth);
        if (i + SIZE_AHEAD * step < (uint64_t)1 << d->depth) {
            oh_segment_t *ahead =
                oh_segment_of(oh_load_relaxed(&d->segment[i + SIZE_AHEAD * step]));
            __builtin_prefetch(ahead);
            __builtin_prefetch(&ahead->live);
        }
        *size += oh_load_relaxed(&s->live) + oh_load_relaxed(&s->more);
        *position = oh_segment_end(s);
    }
    *segments = n;
    return OH_OK;
}

oh_status_t oh_table_stats(const oh_table_t *t, oh_position_t *position, uint32_t count,
                           oh_table_stats_t *stats) {
    if (*position == 0) {
        const oh_directory_t *d = oh_load_acquire(&t->directory);
        stats->bytes += sizeof *t + (d == NULL ? 0 : directory_bytes(d));
    }
    for (; count > 0 && *position < OH_POSITION_END; count--) {
        oh_segment_t *s = oh_table_lock_segment((oh_table_t *)t, (uint32_t)*position);
        if (s == NULL)
            return OH_CLOSED;
        stats->size += oh_load_relaxed(&s->live) + oh_load_relaxed(&s->more);
        stats->bytes += oh_segment_bytes(s);
        stats->segments++;
        stats->boxes += s->terms.boxes;
        *position = oh_segment_end(s);
        oh_unlock(&s->lock);
    }
    return OH_OK;
}

bool oh_table_valid(oh_table_t *t) {
    bool valid = true;
    for (oh_position_t position = 0; valid && position < OH_POSITION_END;) {
        oh_segment_t *s = oh_table_lock_segment(t, (uint32_t)position);
        if (s == NULL)
            return true;
        valid = s->depth <= OH_DEPTH_MAX &&
                (s->prefix & (uint32_t)(oh_segment_end(s) - 1 - s->prefix)) == 0 &&
                s->prefix == position && oh_segment_valid(s, t->salt);
        position = oh_segment_end(s);
        oh_unlock(&s->lock);
    }
    return valid;
}
