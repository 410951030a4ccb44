/* oh_registry: counts by kind, entries that come and go, walks, lookups by address. */
#include <pthread.h>

#include "oh_registry.h"
#include "suite.h"

static oh_registry_entry_t *held[1000];

static void setup(void) {
    suite_use_allocator();
    ck_assert(oh_registry_valid());
}

static void teardown(void) {
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert(oh_registry_valid());
}

static oh_registry_entry_t *enter(uint64_t a, uint64_t b, uint64_t c) {
    oh_registry_entry_t *entry = NULL;
    const uint64_t value[OH_REGISTRY_VALUES] = {a, b, c};
    ck_assert_int_eq(oh_registry_enter(OH_LIST_FROZEN, value, &entry), OH_OK);
    ck_assert(oh_registry_valid());
    return entry;
}

static void leave(oh_registry_entry_t *entry) {
    ck_assert(oh_registry_unref(OH_LIST_FROZEN, entry));
    ck_assert(oh_registry_valid());
}

/* Entries that a walk in steps of budget gives; each reference is given back. */
static uint32_t walk(uint32_t step, uint64_t *sum) {
    uint32_t name = 0, seen = 0;
    *sum = 0;
    while (name != OH_REGISTRY_END) {
        uint32_t budget = step;
        for (oh_registry_entry_t *e; (e = oh_registry_next(OH_LIST_FROZEN, &name, &budget)) != NULL;
             seen++) {
            *sum += oh_registry_value(e, 0);
            ck_assert(!oh_registry_unref(OH_LIST_FROZEN, e));
        }
        ck_assert(budget <= step);
    }
    return seen;
}

static void check_counts(oh_kind_t kind, uint64_t handles, uint64_t bytes) {
    uint64_t h, b;
    oh_registry_counted(kind, &h, &b);
    ck_assert_uint_eq(h, handles);
    ck_assert_uint_eq(b, bytes);
}

START_TEST(counts_add_up_kind_by_kind) {
    check_counts(OH_KIND_ATOMICS, 0, 0);
    oh_registry_made(OH_KIND_ATOMICS, 100);
    oh_registry_made(OH_KIND_ATOMICS, UINT64_C(1) << 45);
    oh_registry_count(OH_KIND_FILES, 1, 24);
    oh_registry_count(OH_KIND_FILES, 0, 6);
    check_counts(OH_KIND_ATOMICS, 2, (UINT64_C(1) << 45) + 100);
    check_counts(OH_KIND_FILES, 1, 30);
    oh_registry_ended(OH_KIND_ATOMICS, UINT64_C(1) << 45);
    oh_registry_ended(OH_KIND_ATOMICS, 100);
    oh_registry_count(OH_KIND_FILES, -1, -30);
    check_counts(OH_KIND_ATOMICS, 0, 0);
    check_counts(OH_KIND_FILES, 0, 0);
}
END_TEST

static void *made(void *arg) {
    oh_registry_made(OH_KIND_BITSETS, (uintptr_t)arg);
    return NULL;
}

static void *ended(void *arg) {
    oh_registry_ended(OH_KIND_BITSETS, (uintptr_t)arg);
    return NULL;
}

static void in_a_thread(void *(*fun)(void *), uintptr_t arg) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, fun, (void *)arg), 0);
    pthread_join(thread, NULL);
}

/* More threads than have stripes of their own; what one made, another ends. */
START_TEST(threads_share_stripes_when_there_are_many) {
    for (uintptr_t i = 1; i <= 2 * OH_COUNT_OWNED; i++)
        in_a_thread(made, i);
    check_counts(OH_KIND_BITSETS, 2 * OH_COUNT_OWNED, OH_COUNT_OWNED * (2 * OH_COUNT_OWNED + 1));
    for (uintptr_t i = 1; i <= 2 * OH_COUNT_OWNED; i++)
        in_a_thread(ended, i);
    check_counts(OH_KIND_BITSETS, 0, 0);
}
END_TEST

START_TEST(a_sum_below_zero_reads_as_zero) {
    oh_registry_ended(OH_KIND_COUNTERS, 8);
    check_counts(OH_KIND_COUNTERS, 0, 0);
    ck_assert(!oh_registry_valid());
    oh_registry_made(OH_KIND_COUNTERS, 8);
}
END_TEST

START_TEST(entries_are_found_by_walks_of_any_step) {
    uint64_t sum, expected = 0;
    ck_assert_uint_eq(walk(10, &sum), 0);
    for (uint32_t i = 0; i < 200; i++) {
        held[i] = enter(i, 0, 0);
        expected += i;
    }
    for (uint32_t step = 1; step < 300; step += 37) {
        ck_assert_uint_eq(walk(step, &sum), 200);
        ck_assert_uint_eq(sum, expected);
    }
    for (uint32_t i = 0; i < 200; i += 2)
        leave(held[i]);
    ck_assert_uint_eq(walk(7, &sum), 100);
    ck_assert_uint_eq(sum, 100 * 100);
    for (uint32_t i = 1; i < 200; i += 2)
        leave(held[i]);
    ck_assert_uint_eq(walk(7, &sum), 0);
}
END_TEST

START_TEST(an_entry_lives_as_long_as_its_references) {
    oh_registry_entry_t *entry = enter(1, 2, 3);
    uint32_t generation = oh_registry_generation(entry), name = entry->name;
    oh_registry_ref(entry);
    ck_assert(!oh_registry_unref(OH_LIST_FROZEN, entry));
    ck_assert_ptr_eq(oh_registry_ref_at(OH_LIST_FROZEN, name, generation), entry);
    ck_assert_ptr_null(oh_registry_ref_at(OH_LIST_FROZEN, name, generation + 1));
    ck_assert_ptr_null(oh_registry_ref_at(OH_LIST_FROZEN, UINT32_MAX - 1, generation));
    ck_assert(!oh_registry_unref(OH_LIST_FROZEN, entry));
    leave(entry);
    ck_assert_ptr_null(oh_registry_ref_at(OH_LIST_FROZEN, name, generation));
}
END_TEST

START_TEST(a_free_entry_is_used_again_in_a_new_generation) {
    oh_registry_entry_t *entry = enter(1, 2, 3);
    uint32_t generation = oh_registry_generation(entry), name = entry->name;
    leave(entry);
    ck_assert_ptr_eq(enter(4, 5, 6), entry);
    ck_assert_uint_eq(entry->name, name);
    ck_assert_uint_eq(oh_registry_generation(entry), generation + 1);
    ck_assert_ptr_null(oh_registry_ref_at(OH_LIST_FROZEN, name, generation));
    ck_assert_uint_eq(oh_registry_value(entry, 0), 4);
    ck_assert_uint_eq(oh_registry_value(entry, 2), 6);
    leave(entry);
}
END_TEST

static bool find(uint64_t address, uint32_t step, uint64_t value[OH_REGISTRY_VALUES]) {
    uint32_t name = 0;
    while (name != OH_REGISTRY_END) {
        uint32_t budget = step;
        if (oh_registry_find(OH_LIST_FROZEN, address, &name, &budget, value))
            return true;
    }
    return false;
}

START_TEST(an_address_is_found_in_its_block_alone) {
    uint64_t value[OH_REGISTRY_VALUES];
    ck_assert(!find(0, 1, value));
    for (uint32_t i = 0; i < 100; i++)
        held[i] = enter(1000 * (i + 1), 1000 * (i + 1) + 500, i);
    for (uint32_t i = 0; i < 100; i++) {
        uint64_t start = 1000 * (i + 1);
        ck_assert(find(start, 1 + i, value));
        ck_assert_uint_eq(value[2], i);
        ck_assert(find(start + 499, 1 + i, value));
        ck_assert_uint_eq(value[0], start);
        ck_assert_uint_eq(value[1], start + 500);
        ck_assert(!find(start + 500, 1 + i, value));
        ck_assert(!find(start - 1, 1 + i, value));
    }
    for (uint32_t i = 0; i < 100; i++)
        leave(held[i]);
    ck_assert(!find(1000, 100, value));
}
END_TEST

/* The first entries need no memory; the first that does changes nothing when there is none. */
START_TEST(no_memory_changes_nothing) {
    const uint64_t value[OH_REGISTRY_VALUES] = {0};
    oh_registry_entry_t *stores[OH_NODES_FIRST], *entry = NULL;
    suite_allocations_left = 0;
    for (unsigned i = 0; i < OH_NODES_FIRST; i++)
        ck_assert_int_eq(oh_registry_enter(OH_LIST_STORES, value, &stores[i]), OH_OK);
    ck_assert_int_eq(oh_registry_enter(OH_LIST_STORES, value, &entry), OH_ENOMEM);
    ck_assert_ptr_null(entry);
    ck_assert(oh_registry_valid());
    for (unsigned i = 0; i < OH_NODES_FIRST; i++)
        ck_assert(oh_registry_unref(OH_LIST_STORES, stores[i]));
}
END_TEST

/* As by a second copy of the library: what is attached twice is there once. */
START_TEST(attaching_is_idempotent) {
    oh_registry_t *own = oh_registry;
    oh_registry_made(OH_KIND_ATOMICS, 5);
    oh_registry_attach(NULL);
    oh_registry_attach(own);
    ck_assert_ptr_eq(oh_registry, own);
    check_counts(OH_KIND_ATOMICS, 1, 5);
    oh_registry_t *other = calloc(1, sizeof *other);
    oh_counts_t *others = aligned_alloc(OH_CACHE_LINE, sizeof *others);
    *others = (oh_counts_t){.next = NULL};
    oh_store_relaxed(&others->stripe[0].kind[OH_KIND_ATOMICS].handles, 2);
    oh_store_relaxed(&other->counts, others);
    oh_registry_attach(other);
    oh_registry_attach(other);
    ck_assert_ptr_eq(oh_registry, other);
    check_counts(OH_KIND_ATOMICS, 3, 5);
    oh_registry_counts.next = NULL;
    oh_registry = own;
    oh_registry_ended(OH_KIND_ATOMICS, 5);
    free(others);
    free(other);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("registry");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, counts_add_up_kind_by_kind);
    tcase_add_test(tcase, threads_share_stripes_when_there_are_many);
    tcase_add_test(tcase, a_sum_below_zero_reads_as_zero);
    tcase_add_test(tcase, entries_are_found_by_walks_of_any_step);
    tcase_add_test(tcase, an_entry_lives_as_long_as_its_references);
    tcase_add_test(tcase, a_free_entry_is_used_again_in_a_new_generation);
    tcase_add_test(tcase, an_address_is_found_in_its_block_alone);
    tcase_add_test(tcase, no_memory_changes_nothing);
    tcase_add_test(tcase, attaching_is_idempotent);
    Suite *suite = suite_create("oh_registry");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
