/* oh_magazines: what goes in comes out once, wherever it went; full and empty ones; no memory. */
#include "oh_magazines.h"
#include "oh_thread.h"
#include "suite.h"

enum { CLASSES = 3, NODES = 200 };

static oh_nodes_t nodes;
static oh_magazines_t magazines;
static oh_magazines_t *const m = &magazines;

static void setup(void) {
    suite_use_allocator();
    oh_nodes_init(&nodes, sizeof(oh_magazine_node_t));
    ck_assert_int_eq(oh_magazines_init(m, &nodes, CLASSES), OH_OK);
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t name;
        ck_assert_int_eq(oh_nodes_add(&nodes, &name), OH_OK);
    }
}

static void teardown(void) {
    suite_allocations_left = SUITE_NO_LIMIT;
    oh_magazines_free(m);
    oh_nodes_free(&nodes);
    ck_assert_int_eq(suite_blocks, 0);
}

/* Nodes in the cache, each in its class. */
static uint32_t cached(void) {
    uint32_t seen[NODES] = {0}, count = 0;
    ck_assert(oh_magazines_valid(m, seen));
    for (uint32_t i = 0; i < NODES; i++)
        count += seen[i] != 0;
    return count;
}

static void put(uint32_t class, uint32_t from, uint32_t to) {
    for (uint32_t name = from; name < to; name++)
        oh_magazines_put(m, class, name);
}

/* As another thread. */
static void as_thread(uint32_t number, void (*body)(void)) {
    uint32_t self = oh_thread_self;
    oh_thread_self = number + 1;
    body();
    oh_thread_self = self;
}

START_TEST(what_was_put_last_is_taken_first) {
    put(1, 0, 5);
    for (uint32_t name = 5; name > 0; name--)
        ck_assert_uint_eq(oh_magazines_take(m, 1), name - 1);
    ck_assert_uint_eq(oh_magazines_take(m, 1), OH_FREELIST_NONE);
    ck_assert_uint_eq(oh_magazines_moves(m), 0); /* never met the depot */
}
END_TEST

START_TEST(classes_are_apart) {
    put(0, 0, 10);
    put(2, 10, 20);
    ck_assert_uint_eq(oh_magazines_take(m, 1), OH_FREELIST_NONE);
    ck_assert_uint_eq(oh_magazines_steal(m, 1), OH_FREELIST_NONE);
    ck_assert_uint_eq(oh_magazines_take(m, 2), 19);
    ck_assert_uint_eq(oh_magazines_steal(m, 2), 10);
    ck_assert_uint_eq(cached(), 18);
}
END_TEST

START_TEST(the_depot_is_met_once_in_eight) {
    for (uint32_t name = 0; name < NODES; name++) {
        oh_magazines_put(m, 0, name);
        ck_assert_uint_eq(cached(), name + 1);
    }
    ck_assert_uint_le(oh_magazines_moves(m), NODES / OH_MAGAZINE_CHAIN);
    bool taken[NODES] = {false};
    for (uint32_t left = NODES; left > 0; left--) {
        uint32_t name = oh_magazines_take(m, 0);
        ck_assert_uint_lt(name, NODES);
        ck_assert(!taken[name]);
        taken[name] = true;
        ck_assert_uint_eq(cached(), left - 1);
    }
    ck_assert_uint_eq(oh_magazines_take(m, 0), OH_FREELIST_NONE);
    ck_assert_uint_le(oh_magazines_moves(m), 2 * NODES / OH_MAGAZINE_CHAIN);
    ck_assert(oh_magazines_is_empty(m));
}
END_TEST

static void put_elsewhere(void) {
    put(0, 100, 150);
}

START_TEST(another_threads_magazine_can_be_emptied) {
    as_thread(7, put_elsewhere);
    ck_assert(!oh_magazines_is_empty(m));
    uint32_t count = 0;
    while (oh_magazines_take(m, 0) != OH_FREELIST_NONE)
        count++;
    ck_assert_uint_ge(50 - count, 1); /* those in the other's magazine */
    ck_assert_uint_eq(cached(), 50 - count);
    while (oh_magazines_steal(m, 0) != OH_FREELIST_NONE)
        count++;
    ck_assert_uint_eq(count, 50);
    ck_assert(oh_magazines_is_empty(m));
    as_thread(7, put_elsewhere); /* over the holes */
    ck_assert_uint_eq(cached(), 50);
}
END_TEST

static void put_and_take(void) {
    put(0, 100, 110);
    ck_assert_uint_eq(oh_magazines_take(m, 0), 109);
}

START_TEST(threads_with_one_magazine_lose_nothing) {
    put(0, 0, 10);
    as_thread(OH_MAGAZINE_THREADS + oh_thread_index(), put_and_take);
    ck_assert_uint_eq(cached(), 19);
    /* Somebody's look at top was before another's put: over a full slot. */
    oh_store_relaxed(&oh_load_relaxed(&m->of[oh_thread_index()])[0].top, 3);
    put(0, 150, 160);
    ck_assert_uint_eq(cached(), 29);
    uint32_t count = 0;
    while (oh_magazines_steal(m, 0) != OH_FREELIST_NONE)
        count++;
    ck_assert_uint_eq(count, 29);
}
END_TEST

/* Picks every third. */
static bool pick(void *context, uint32_t name) {
    ++*(uint32_t *)context;
    return name % 3 == 0;
}

START_TEST(a_sift_sees_all_and_keeps_the_rest) {
    put(1, 0, 90);
    as_thread(3, put_elsewhere); /* of class 0 */
    uint32_t looked = 0;
    oh_magazines_sift(m, 1, pick, &looked);
    ck_assert_uint_eq(looked, 90);
    ck_assert_uint_eq(cached(), 60 + 50);
    put(1, 0, 1); /* beside what was kept */
    oh_magazines_sift(m, 1, pick, &looked);
    ck_assert_uint_eq(looked, 90 + 61);
    ck_assert_uint_eq(cached(), 60 + 50);
    oh_magazines_sift(m, 0, pick, &looked);
    uint32_t name, count = 0;
    while ((name = oh_magazines_steal(m, 1)) != OH_FREELIST_NONE) {
        ck_assert_uint_ne(name % 3, 0);
        count++;
    }
    ck_assert_uint_eq(count, 60);
}
END_TEST

START_TEST(without_memory_the_depot_serves) {
    suite_allocations_left = 0;
    put(0, 0, 20);
    ck_assert_uint_eq(cached(), 20);
    for (uint32_t name = 20; name > 0; name--)
        ck_assert_uint_eq(oh_magazines_take(m, 0), name - 1);
    ck_assert_int_eq(oh_magazines_init(&(oh_magazines_t){0}, &nodes, CLASSES), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    size_t bytes = oh_magazines_bytes(m);
    put(0, 0, 1);
    ck_assert_uint_eq(oh_magazines_bytes(m), bytes + CLASSES * sizeof(oh_magazine_t));
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("magazines");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_was_put_last_is_taken_first);
    tcase_add_test(tcase, classes_are_apart);
    tcase_add_test(tcase, the_depot_is_met_once_in_eight);
    tcase_add_test(tcase, another_threads_magazine_can_be_emptied);
    tcase_add_test(tcase, threads_with_one_magazine_lose_nothing);
    tcase_add_test(tcase, a_sift_sees_all_and_keeps_the_rest);
    tcase_add_test(tcase, without_memory_the_depot_serves);
    Suite *suite = suite_create("oh_magazines");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
