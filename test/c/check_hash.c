/* oh_hash: known digests, pieces against the whole, files and what is no file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oh_hash.h"
#include "suite.h"

static char folder[] = "/tmp/oh_hash_XXXXXX";
static char path[sizeof folder + 16];

static void setup(void) {
    ck_assert_int_ge(sodium_init(), 0);
    suite_use_allocator();
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void teardown(void) {
    (void)unlink(path);
    (void)rmdir(folder);
    ck_assert_int_eq(suite_blocks, 0);
}

static void ck_digest(const uint8_t *digest, const char *hex) {
    char text[2 * OH_HASH_BYTES + 1];
    sodium_bin2hex(text, sizeof text, digest, OH_HASH_BYTES);
    ck_assert_str_eq(text, hex);
}

/* Bytes 0, 1, .. 250, 0, 1 .. */
static uint8_t *pattern(size_t bytes) {
    uint8_t *data = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i % 251);
    return data;
}

/* b2sum -l 256 */
static const struct {
    size_t bytes;
    const char *hex;
} known[] = {
    {0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
    {1, "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"},
    {127, "f2fe67ff342e21b8f45e8f2e0bcd1d9243245d50ee6c78042e9c491388791c72"},
    {128, "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1"},
    {129, "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4aa6a20652a9f9a337c1a2f5b9c9"},
    {255, "d9ef0fc521b4266d16df662bec231bc2ec3989e7adeaf63169c295dc239dbbea"},
    {256, "582f782226018ec33076bd8d1c42413530ac7e1126260ffc0f306ba3befc3f24"},
    {65536, "e4f2b5871e75b1993cd3cd4663ca4879794dbe50152c522dcbc66ee1bfecffa6"},
    {1000003, "5dd13c21d5d15ee3672fffd056431873359dc5c1f0221b5ef13c4693aa8d13d1"},
};

#define KNOWN (sizeof known / sizeof known[0])

START_TEST(known_digests) {
    uint8_t digest[OH_HASH_BYTES];
    oh_hash_bytes("abc", 3, digest);
    ck_digest(digest, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    oh_hash_bytes(NULL, 0, digest);
    ck_digest(digest, known[0].hex);
    for (size_t k = 0; k < KNOWN; k++) {
        uint8_t *data = pattern(known[k].bytes + 1);
        oh_hash_bytes(data, known[k].bytes, digest);
        ck_digest(digest, known[k].hex);
        free(data);
    }
}
END_TEST

START_TEST(pieces_give_the_digest_of_the_whole) {
    static const size_t pieces[] = {1, 7, 64, 127, 128, 129, 4096, 1000003};
    for (size_t k = 0; k < KNOWN; k++) {
        uint8_t *data = pattern(known[k].bytes + 1);
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            oh_hash_t h;
            oh_hash_init(&h);
            for (size_t i = 0; i < known[k].bytes; i += pieces[p]) {
                size_t left = known[k].bytes - i;
                oh_hash_update(&h, data + i, left < pieces[p] ? left : pieces[p]);
                oh_hash_update(&h, NULL, 0);
            }
            uint8_t digest[OH_HASH_BYTES];
            oh_hash_final(&h, digest);
            ck_digest(digest, known[k].hex);
        }
        free(data);
    }
}
END_TEST

static void write_file(size_t bytes) {
    uint8_t *data = pattern(bytes + 1);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
    free(data);
}

START_TEST(files) {
    for (size_t k = 0; k < KNOWN; k++) {
        write_file(known[k].bytes);
        uint8_t digest[OH_HASH_BYTES];
        uint64_t bytes;
        int error_number;
        ck_assert_int_eq(oh_hash_file(path, NULL, NULL, digest, &bytes, &error_number), OH_OK);
        ck_assert_uint_eq(bytes, known[k].bytes);
        ck_digest(digest, known[k].hex);
    }
}
END_TEST

static oh_status_t hash_path(const char *where, int *error_number) {
    uint8_t digest[OH_HASH_BYTES];
    uint64_t bytes;
    *error_number = 0;
    return oh_hash_file(where, NULL, NULL, digest, &bytes, error_number);
}

START_TEST(what_is_no_readable_file_says_why) {
    int error_number;
    ck_assert_int_eq(hash_path(path, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, ENOENT);
    ck_assert_int_eq(hash_path(folder, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EISDIR);
    ck_assert_int_eq(hash_path("/dev/null", &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EINVAL);
    /* A pipe without a writer must not be waited for. */
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(hash_path(path, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EINVAL);
}
END_TEST

static bool stop_at(void *context) {
    int *reads = context;
    return (*reads)-- == 0;
}

START_TEST(a_stop_ends_it_between_two_reads) {
    write_file(1000003);
    for (int reads = 0; reads < 5; reads++) {
        int left = reads, error_number = 0;
        uint8_t digest[OH_HASH_BYTES] = {1};
        uint64_t bytes = 99;
        ck_assert_int_eq(oh_hash_file(path, stop_at, &left, digest, &bytes, &error_number),
                         OH_CLOSED);
        ck_assert_uint_eq(bytes, 99);
        ck_assert_uint_eq(digest[0], 1);
    }
}
END_TEST

START_TEST(without_memory_it_says_so) {
    write_file(10);
    suite_allocations_left = 0;
    int error_number;
    ck_assert_int_eq(hash_path(path, &error_number), OH_ENOMEM);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_hash");
    TCase *tc = tcase_create("hash");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, known_digests);
    tcase_add_test(tc, pieces_give_the_digest_of_the_whole);
    tcase_add_test(tc, files);
    tcase_add_test(tc, what_is_no_readable_file_says_why);
    tcase_add_test(tc, a_stop_ends_it_between_two_reads);
    tcase_add_test(tc, without_memory_it_says_so);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
