/*
 * Bags under threads: readers, inserters and deleters of one large key and of a small one, walkers,
 * and clearing.
 *
 * Each writer inserts pairs of numbers, an even one and the next, as one change, and later removes
 * the even one first. So whoever reads sees the numbers of a writer ascend, and with an even
 * number the next: a snapshot that is no state of the bag would lack one. Of a third key most
 * pairs go early and a few stay long, so that terms move out of the arenas they were put into
 * while they are read. The walker meets each of the stable keys once, the scanner each object of a
 * key that stays there. In the other table pairs of keys are written as one change while all is
 * cleared again and again.
 */
#include "fake_stress.h"
#include "oh_objects.h"

#define LARGE   0u
#define SMALL   2u
#define SPARSE  4u
#define SCANNED 6u
#define WRITERS 2
#define READERS 2
#define PAIRS   3000u
#define LIVE    300u /* pairs of a writer that are in the large bag at a time */
#define FEW     1u   /* the same of the small one */
#define STAY    8u   /* one pair in so many of the sparse bag stays so many times as long */
#define STABLE  500u
#define BLOCK   100000000u
#define CLEARED 1000u

static oh_table_t *table, *cleared;

static oh_item_t make_item(oh_table_t *t, fake_arena_t *scratch, fake_draft_t *draft, uint64_t key,
                           uint64_t number) {
    oh_item_t item = fake_item(t, &fake_ops, scratch, draft, fake_number(key), number,
                               (fake_shape_t)(number % FAKE_SHAPES));
    if (item.form != OH_FORM_CELL && !item.value_immediate)
        item.value_hash =
            fake_hash(NULL, item.box != NULL ? item.box->value : item.value, oh_table_salt(t));
    return item;
}

/* Two objects of one key, or one of each of two, as one change. */
static void insert_two(oh_table_t *t, uint64_t key, uint64_t number, uint64_t key2,
                       uint64_t number2) {
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    fake_draft_t draft[2];
    oh_item_t items[2] = {make_item(t, scratch, &draft[0], key, number),
                          make_item(t, scratch, &draft[1], key2, number2)};
    oh_epoch_pin();
    expect(oh_table_write_many(t, items, 2, false) == OH_OK);
    oh_epoch_unpin();
    fake_arena_free(scratch);
}

static void remove_one(uint64_t key, uint64_t number) {
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    fake_draft_t draft;
    oh_item_t item = make_item(table, scratch, &draft, key, number);
    oh_write_t w;
    uint64_t count = 0;
    oh_epoch_pin();
    expect(oh_table_begin(table, &w, &item.key, false) == OH_OK);
    expect(oh_table_remove_object(table, &w, &item, &count) == OH_OK);
    oh_table_end(table, &w);
    oh_epoch_unpin();
    expect(count == 1);
    if (item.box != NULL)
        oh_box_free(item.box);
    fake_arena_free(scratch);
}

static void remove_all(uint64_t key) {
    oh_write_t w;
    oh_key_t k = fake_key(table, &fake_ops, fake_number(key));
    oh_epoch_pin();
    expect(oh_table_begin(table, &w, &k, false) == OH_OK);
    expect(w.found);
    oh_table_remove(table, &w);
    oh_table_end(table, &w);
    oh_epoch_unpin();
}

static void remove_pair(uint64_t key, uint64_t base, uint64_t i) {
    remove_one(key, base + 2 * i);
    remove_one(key, base + 2 * i + 1);
}

static void *writer(void *arg) {
    static const uint64_t keys[] = {LARGE, SMALL, SPARSE, SCANNED};
    static const uint64_t live[] = {LIVE, FEW, LIVE, LIVE};
    uint64_t base = (uint64_t)(uintptr_t)arg * BLOCK;
    for (uint64_t i = 0; i < PAIRS; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            insert_two(table, keys[k], base + 2 * i, keys[k], base + 2 * i + 1);
            bool stays = keys[k] == SPARSE && (i - live[k]) % STAY == 0;
            if (i >= live[k] && !stays)
                remove_pair(keys[k], base, i - live[k]);
        }
        if (i >= STAY * LIVE && i % STAY == 0)
            remove_pair(SPARSE, base, i - STAY * LIVE);
    }
    return NULL;
}

static void read_key(uint64_t key) {
    oh_entry_t entry, object;
    oh_key_t k = fake_key(table, &fake_ops, fake_number(key));
    uint64_t last[WRITERS] = {0}, odd[WRITERS] = {0};
    oh_epoch_pin();
    if (oh_table_get_objects(table, &k, &entry) == OH_OK) {
        oh_objects_t objects;
        oh_objects_begin(&objects, &entry);
        while (oh_objects_next(&objects, &object)) {
            uint64_t number = fake_entry_value(&object), w = number / BLOCK;
            number %= BLOCK;
            /* After an even number of a writer comes its next. */
            expect(odd[w] == 0 || number == odd[w]);
            expect(last[w] <= number);
            odd[w] = number % 2 == 0 ? number + 1 : 0;
            last[w] = number + 1;
        }
        for (int w = 0; w < WRITERS; w++)
            expect(odd[w] == 0);
    }
    oh_epoch_unpin();
}

static void *reader(void *arg) {
    (void)arg;
    while (!oh_load_acquire(&done)) {
        read_key(LARGE);
        read_key(SMALL);
        read_key(SPARSE);
    }
    return NULL;
}

/* By next: the stable keys once each. */
static void *walker(void *arg) {
    (void)arg;
    static uint8_t seen[STABLE];
    while (!oh_load_acquire(&done)) {
        for (uint32_t i = 0; i < STABLE; i++)
            seen[i] = 0;
        oh_key_t after = {0};
        oh_status_t status = OH_OK;
        for (bool first = true; status == OH_OK; first = false) {
            oh_entry_t entry;
            oh_epoch_pin();
            status = oh_table_next(table, first ? NULL : &after, true, &entry);
            uint64_t key = status == OH_OK ? fake_value(entry.key) : 0;
            oh_epoch_unpin();
            if (status == OH_OK && key >= 10 && key < 10 + STABLE)
                seen[key - 10]++;
            after = fake_key(table, &fake_ops, fake_number(key));
        }
        for (uint32_t i = 0; i < STABLE; i++)
            expect(seen[i] == 1);
        oh_epoch_pin();
        expect(oh_table_valid(table));
        oh_epoch_unpin();
    }
    return NULL;
}

/* A key's objects part by part: those that stay come once each. */
static void *scanner(void *arg) {
    enum { ROOM = 4096 };
    (void)arg;
    oh_entry_t *scratch = malloc(ROOM * sizeof *scratch);
    oh_bag_object_t *objects = malloc(ROOM * sizeof *objects);
    oh_key_t key = fake_key(table, &fake_ops, fake_number(SCANNED));
    while (!oh_load_acquire(&done)) {
        uint32_t stable = 0, count;
        oh_status_t status = OH_OK;
        for (oh_position_t position = 0; position < OH_POSITION_END && status == OH_OK;) {
            oh_epoch_pin();
            status = oh_table_scan_objects(table, &key, &position, scratch, objects, ROOM, &count);
            for (uint32_t i = 0; status == OH_OK && i < count; i++) {
                uint64_t number = fake_entry_value(&objects[i].entry);
                stable += number >= WRITERS * (uint64_t)BLOCK;
                expect(objects[i].copies == 1);
            }
            oh_epoch_unpin();
        }
        expect(status == OH_OK && stable == 2 * STABLE);
    }
    free(scratch);
    free(objects);
    return NULL;
}

/* Keys that come and go, so that what the walker and the bags stand in is rebuilt. */
static void *churner(void *arg) {
    (void)arg;
    for (uint64_t round = 0; !oh_load_acquire(&done); round++) {
        for (uint64_t i = 0; i < 2000; i++)
            insert_two(table, 1000 + i, i, 1000 + i, i + 1 + round % 3);
        for (uint64_t i = 0; i < 2000; i++)
            remove_all(1000 + i);
    }
    return NULL;
}

static void *clearer(void *arg) {
    (void)arg;
    while (!oh_load_acquire(&done)) {
        oh_epoch_pin();
        expect(oh_table_clear(cleared) == OH_OK);
        expect(oh_table_valid(cleared));
        oh_epoch_unpin();
    }
    return NULL;
}

/* Pairs of keys: what is read of the second is never older than what was read of the first. */
static void *pair_writer(void *arg) {
    (void)arg;
    for (uint64_t n = 1; !oh_load_acquire(&done); n++)
        insert_two(cleared, n % CLEARED, n, CLEARED + n % CLEARED, n);
    return NULL;
}

static uint64_t newest(uint64_t key) {
    oh_entry_t entry, object;
    uint64_t number = 0;
    oh_key_t k = fake_key(cleared, &fake_ops, fake_number(key));
    if (oh_table_get_objects(cleared, &k, &entry) == OH_OK) {
        oh_objects_t objects;
        oh_objects_begin(&objects, &entry);
        while (oh_objects_next(&objects, &object))
            number = fake_entry_value(&object);
    }
    return number;
}

static void *pair_reader(void *arg) {
    (void)arg;
    for (uint64_t key = 0; !oh_load_acquire(&done); key = (key + 1) % CLEARED) {
        oh_epoch_pin();
        uint64_t first = newest(key), second = newest(CLEARED + key);
        oh_epoch_unpin();
        expect(second == 0 || second >= first);
    }
    return NULL;
}

int main(void) {
    if (oh_epoch_attach(NULL) != OH_OK || oh_reaper_start() != OH_OK)
        return 1;
    table = oh_table_new_typed(&fake_ops, 0, 11, OH_TABLE_BAG);
    cleared = oh_table_new_typed(&fake_ops, 0, 13, OH_TABLE_BAG);
    for (uint64_t i = 0; i < STABLE; i++)
        insert_two(table, 10 + i, i, 10 + i, i + 1);
    for (uint64_t i = 0; i < STABLE; i++)
        insert_two(table, SCANNED, WRITERS * (uint64_t)BLOCK + 2 * i, SCANNED,
                   WRITERS * (uint64_t)BLOCK + 2 * i + 1);
    start(writer, WRITERS);
    start(reader, READERS);
    start(walker, 1);
    start(scanner, 1);
    start(churner, 1);
    start(clearer, 1);
    start(pair_writer, 1);
    start(pair_reader, 1);
    finish(WRITERS);
    oh_epoch_pin();
    bool valid = oh_table_valid(table) && oh_table_valid(cleared);
    oh_epoch_unpin();
    fake_close(table);
    fake_close(cleared);
    return report("stress_bag", valid);
}
