/* oh_freelist: names and segments, order of the stack, memory that is not there. */
#include "oh_freelist.h"
#include "suite.h"

typedef struct {
    oh_freelist_node_t node;
    uint32_t value;
} item_t;

static oh_nodes_t nodes;
static oh_freelist_t list;

static void setup(void) {
    suite_use_allocator();
    oh_nodes_init(&nodes, sizeof(item_t));
    oh_freelist_init(&list);
}

static void teardown(void) {
    oh_nodes_free(&nodes);
}

static uint32_t add(void) {
    uint32_t name;
    ck_assert_int_eq(oh_nodes_add(&nodes, &name), OH_OK);
    return name;
}

static void check_length(uint32_t expected) {
    uint32_t length;
    ck_assert(oh_freelist_valid(&list, &nodes, &length));
    ck_assert_uint_eq(length, expected);
    ck_assert_int_eq(oh_freelist_is_empty(&list), expected == 0);
}

START_TEST(names_count_up_and_nodes_never_move) {
    enum { COUNT = 5000 };
    static item_t *where[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        ck_assert_uint_eq(add(), i);
        where[i] = oh_nodes_at(&nodes, i);
        ck_assert_uint_eq(where[i]->value, 0);
        where[i]->value = i + 1;
    }
    ck_assert_uint_eq(oh_nodes_count(&nodes), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        ck_assert_ptr_eq(oh_nodes_at(&nodes, i), where[i]);
        ck_assert_uint_eq(where[i]->value, i + 1);
    }
    ck_assert_uint_ge(oh_nodes_bytes(&nodes), COUNT * sizeof(item_t));
}
END_TEST

START_TEST(segments_meet_without_gap_or_overlap) {
    for (uint32_t i = 0; i < 64 + 128 + 256; i++)
        add();
    item_t *a = oh_nodes_at(&nodes, 62), *b = oh_nodes_at(&nodes, 63);
    ck_assert_ptr_eq(a + 1, b);
    item_t *first = oh_nodes_at(&nodes, 64), *last = oh_nodes_at(&nodes, 64 + 127);
    ck_assert_int_eq(last - first, 127);
    first = oh_nodes_at(&nodes, 192);
    last = oh_nodes_at(&nodes, 192 + 255);
    ck_assert_int_eq(last - first, 255);
}
END_TEST

START_TEST(the_last_pushed_is_the_first_popped) {
    check_length(0);
    ck_assert_uint_eq(oh_freelist_pop(&list, &nodes), OH_FREELIST_NONE);
    for (uint32_t i = 0; i < 200; i++) {
        oh_freelist_push(&list, &nodes, add());
        check_length(i + 1);
    }
    for (uint32_t i = 200; i > 0; i--) {
        ck_assert_uint_eq(oh_freelist_pop(&list, &nodes), i - 1);
        check_length(i - 1);
    }
    ck_assert_uint_eq(oh_freelist_pop(&list, &nodes), OH_FREELIST_NONE);
}
END_TEST

START_TEST(every_pop_changes_the_tag) {
    uint32_t name = add();
    for (int i = 0; i < 1000; i++) {
        oh_freelist_push(&list, &nodes, name);
        uint64_t before = oh_load_relaxed(&list.head);
        ck_assert_uint_eq(oh_freelist_pop(&list, &nodes), name);
        oh_freelist_push(&list, &nodes, name);
        ck_assert_uint_ne(oh_load_relaxed(&list.head), before);
        ck_assert_uint_eq(oh_freelist_pop(&list, &nodes), name);
    }
}
END_TEST

START_TEST(the_tag_wraps_around) {
    uint32_t a = add(), b = add();
    oh_store_relaxed(&list.head, (uint64_t)UINT32_MAX << 32 | OH_FREELIST_NONE);
    oh_freelist_push(&list, &nodes, a);
    oh_freelist_push(&list, &nodes, b);
    ck_assert_uint_eq(oh_freelist_pop(&list, &nodes), b);
    ck_assert_uint_eq(oh_load_relaxed(&list.head) >> 32, 0);
    check_length(1);
    ck_assert_uint_eq(oh_freelist_pop(&list, &nodes), a);
    check_length(0);
}
END_TEST

START_TEST(no_memory_changes_nothing) {
    uint32_t name = 77;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_nodes_add(&nodes, &name), OH_ENOMEM);
    ck_assert_uint_eq(oh_nodes_count(&nodes), 0);
    suite_allocations_left = SUITE_NO_LIMIT;
    for (uint32_t i = 0; i < 64; i++)
        add();
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_nodes_add(&nodes, &name), OH_ENOMEM);
    ck_assert_uint_eq(oh_nodes_count(&nodes), 64);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_uint_eq(add(), 64);
}
END_TEST

START_TEST(names_run_out_in_good_order) {
    uint32_t name = 77;
    oh_store_relaxed(&nodes.count, OH_NODES_MAX);
    ck_assert_int_eq(oh_nodes_add(&nodes, &name), OH_LIMIT);
    ck_assert_uint_eq(name, 77);
    oh_store_relaxed(&nodes.count, 0);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("freelist");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, names_count_up_and_nodes_never_move);
    tcase_add_test(tcase, segments_meet_without_gap_or_overlap);
    tcase_add_test(tcase, the_last_pushed_is_the_first_popped);
    tcase_add_test(tcase, every_pop_changes_the_tag);
    tcase_add_test(tcase, the_tag_wraps_around);
    tcase_add_test(tcase, no_memory_changes_nothing);
    tcase_add_test(tcase, names_run_out_in_good_order);
    Suite *suite = suite_create("oh_freelist");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
