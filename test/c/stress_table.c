/*
 * The table under threads: readers, writers on all keys, writers of many entries at once, walkers,
 * growth from one segment to many and back.
 *
 * Stable keys are never removed: each read must find one, and the number it finds must be one that
 * was written for this key. Pairs are written by write_many, both halves with the same number: a
 * reader that goes back and forth between them must never see the numbers go backwards.
 */
#include "fake_stress.h"

#define STABLE   2000
#define CHURN    4000
#define ROUNDS   6
#define PAIR     1000000u
#define READERS  2
#define CHURNERS 2

static oh_table_t *table;

static void put(uint64_t key, uint64_t number, fake_shape_t shape) {
    fake_term_t term;
    expect(fake_put(table, &fake_ops, key_word(&term, key), number, shape) == OH_OK);
}

static void read_stable(uint64_t key) {
    fake_term_t term;
    uint64_t number = 0;
    expect(fake_get(table, &fake_ops, key_word(&term, key), &number) == OH_OK);
    expect(is_number_for(key, number));
}

/* Both halves are written as one change: what is read later is never older. */
static void read_pair(void) {
    uint64_t number = 0, last = 0;
    if (fake_get(table, &fake_ops, fake_number(PAIR), &last) != OH_OK)
        return;
    for (uint64_t i = 1; i < 4; i++) {
        expect(fake_get(table, &fake_ops, fake_number(PAIR + i % 2), &number) == OH_OK);
        expect(number >= last);
        last = number;
    }
}

static void *reader(void *arg) {
    uint64_t key = (uint64_t)(uintptr_t)arg;
    while (!oh_load_acquire(&done)) {
        key = (key * 2654435761u + 1) % STABLE;
        read_stable(key);
        read_pair();
    }
    return NULL;
}

static void *churner(void *arg) {
    uint64_t id = (uint64_t)(uintptr_t)arg, number = 0;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        for (uint64_t i = 0; i < CHURN; i++) {
            uint64_t key = STABLE + id * CHURN + i, stable = (i * 7 + id) % STABLE;
            put(key, number_for(key, round), i % FAKE_SHAPES);
            put(stable, number_for(stable, round), (i + round) % FAKE_SHAPES);
            /* Again in the same shape, so that cells are replaced and used again. */
            put(stable, number_for(stable, round), (i + round) % FAKE_SHAPES);
        }
        for (uint64_t i = 0; i < CHURN; i++) {
            uint64_t key = STABLE + id * CHURN + i;
            fake_term_t term;
            expect(fake_remove(table, &fake_ops, key_word(&term, key), &number));
            expect(number == number_for(key, round));
        }
    }
    return NULL;
}

static void *pair_writer(void *arg) {
    (void)arg;
    for (uint64_t round = 1; !oh_load_acquire(&done); round++) {
        fake_arena_t *scratch = calloc(1, sizeof *scratch);
        oh_item_t items[3];
        fake_draft_t drafts[3];
        for (uint64_t i = 0; i < 3; i++)
            items[i] = fake_item(table, &fake_ops, scratch, &drafts[i], fake_number(PAIR + i % 2),
                                 round, (round + i) % FAKE_SHAPES);
        oh_epoch_pin();
        expect(oh_table_write_many(table, items, 3, false) == OH_OK);
        oh_epoch_unpin();
        fake_arena_free(scratch);
    }
    return NULL;
}

static void *walker(void *arg) {
    (void)arg;
    static uint8_t seen[STABLE];
    while (!oh_load_acquire(&done)) {
        for (int i = 0; i < STABLE; i++)
            seen[i] = 0;
        for (oh_position_t position = 0; position < OH_POSITION_END;) {
            oh_epoch_pin();
            uint32_t count = 0, room = oh_table_scan_room(table, position);
            oh_entry_t *entries = malloc((room + 1) * sizeof *entries);
            if (oh_table_scan(table, &position, entries, room, &count) == OH_OK)
                for (uint32_t i = 0; i < count; i++)
                    if (fake_entry_key(&entries[i]) < STABLE)
                        seen[fake_entry_key(&entries[i])]++;
            oh_epoch_unpin();
            free(entries);
        }
        for (int i = 0; i < STABLE; i++)
            expect(seen[i] == 1);
        oh_epoch_pin();
        expect(oh_table_valid(table));
        oh_epoch_unpin();
    }
    return NULL;
}

int main(void) {
    if (oh_epoch_attach(NULL) != OH_OK || oh_reaper_start() != OH_OK)
        return 1;
    table = oh_table_new(&fake_ops, 0, 11);
    for (uint64_t i = 0; i < STABLE; i++)
        put(i, number_for(i, 0), i % FAKE_SHAPES);
    start(churner, CHURNERS);
    start(reader, READERS);
    start(pair_writer, 1);
    start(walker, 1);
    finish(CHURNERS);
    bool valid = oh_table_valid(table);
    fake_close(table);
    return report("stress_table", valid);
}
