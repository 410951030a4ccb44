/* oh_errno: names as the file module has them. */
#include <errno.h>

#include "oh_errno.h"
#include "suite.h"

START_TEST(names) {
    ck_assert_str_eq(oh_errno_name(ENOENT), "enoent");
    ck_assert_str_eq(oh_errno_name(EACCES), "eacces");
    ck_assert_str_eq(oh_errno_name(ETXTBSY), "etxtbsy");
    ck_assert_str_eq(oh_errno_name(EIO), "eio");
}
END_TEST

START_TEST(what_has_no_name_is_eio) {
    ck_assert_str_eq(oh_errno_name(0), "eio");
    ck_assert_str_eq(oh_errno_name(-1), "eio");
    ck_assert_str_eq(oh_errno_name(1000000), "eio");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_errno");
    TCase *tc = tcase_create("errno");
    tcase_add_test(tc, names);
    tcase_add_test(tc, what_has_no_name_is_eio);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
