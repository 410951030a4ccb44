/* oh_hash: known digests, pieces against the whole, files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
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

/* BLAKE2b-256, which most tests are about. */
enum { DEFAULT_BYTES = 32 };
static const oh_hash_spec_t DEFAULT = {.kind = OH_HASH_BLAKE2B, .bytes = DEFAULT_BYTES};

static void hash_bytes(const void *data, size_t bytes, uint8_t *digest) {
    oh_hash_t h;
    ck_assert_int_eq(oh_hash_init(&h, &DEFAULT), OH_OK);
    oh_hash_update(&h, data, bytes);
    oh_hash_final(&h, digest);
}

static void ck_digest(const uint8_t *digest, const char *hex) {
    char text[2 * OH_HASH_BYTES_MAX + 1];
    sodium_bin2hex(text, sizeof text, digest, strlen(hex) / 2);
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
    uint8_t digest[DEFAULT_BYTES];
    hash_bytes("abc", 3, digest);
    ck_digest(digest, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    hash_bytes(NULL, 0, digest);
    ck_digest(digest, known[0].hex);
    for (size_t k = 0; k < KNOWN; k++) {
        uint8_t *data = pattern(known[k].bytes + 1);
        hash_bytes(data, known[k].bytes, digest);
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
            ck_assert_int_eq(oh_hash_init(&h, &DEFAULT), OH_OK);
            for (size_t i = 0; i < known[k].bytes; i += pieces[p]) {
                size_t left = known[k].bytes - i;
                oh_hash_update(&h, data + i, left < pieces[p] ? left : pieces[p]);
                oh_hash_update(&h, NULL, 0);
            }
            uint8_t digest[DEFAULT_BYTES];
            oh_hash_final(&h, digest);
            ck_digest(digest, known[k].hex);
        }
        free(data);
    }
}
END_TEST

/* What can be computed beside the default. */
static uint8_t key[OH_HASH_KEY_BYTES_MAX];
static const oh_hash_spec_t specs[] = {
    {.kind = OH_HASH_BLAKE2B, .bytes = 16},
    {.kind = OH_HASH_BLAKE2B, .bytes = 64, .key = key, .key_bytes = 64},
    {.kind = OH_HASH_SHA256, .bytes = 32},
    {.kind = OH_HASH_SHA512, .bytes = 64},
};

#define SPECS (sizeof specs / sizeof specs[0])

/* Python's hashlib, the key being the bytes 0..63. */
static const struct {
    size_t bytes;
    const char *hex[SPECS];
} known_of_specs[] = {
    {0,
     {"cae66941d9efbd404e4d88758ea67670",
      "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786b5e996e8f0f4eb981fc214b005f4"
      "2d2ff4233499391653df7aefcbc13fc51568",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877e"
      "ec2f63b931bd47417a81a538327af927da3e"}},
    {1,
     {"7025e075d5e2f6cde3cc051a31f07660",
      "961f6dd1e4dd30f63901690c512e78e4b45e4742ed197c3c5e45c549fd25f2e4187b0bc9fe30492b16b0d0bc4ef9"
      "b0f34c7003fac09a5ef1532e69430234cebd",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "b8244d028981d693af7b456af8efa4cad63d282e19ff14942c246e50d9351d22704a802a71c3580b6370de4ceb29"
      "3c324a8423342557d4e5c38438f0e36910ee"}},
    {127,
     {"28b1296c7d4807883de6ee4ec04dcc0a",
      "76d2d819c92bce55fa8e092ab1bf9b9eab237a25267986cacf2b8ee14d214d730dc9a5aa2d7b596e86a1fd8fa080"
      "4c77402d2fcd45083688b218b1cdfa0dcbcb",
      "92ca0fa6651ee2f97b884b7246a562fa71250fedefe5ebf270d31c546bfea976",
      "eab89674feaa34e27aebeeff3c0a4d70070bb872d5e9f186cf1dbbdee517b6e35724d629ff025a5b07185e911ada"
      "7e3c8acf830aa0e4f71777bd2d44f504f7f0"}},
    {128,
     {"a74787004ef589e31149183900d0294a",
      "72065ee4dd91c2d8509fa1fc28a37c7fc9fa7d5b3f8ad3d0d7a25626b57b1b44788d4caf806290425f9890a3a2a3"
      "5a905ab4b37acfd0da6e4517b2525c9651e4",
      "471fb943aa23c511f6f72f8d1652d9c880cfa392ad80503120547703e56a2be5",
      "1dffd5e3adb71d45d2245939665521ae001a317a03720a45732ba1900ca3b8351fc5c9b4ca513eba6f80bc7b1d1f"
      "dad4abd13491cb824d61b08d8c0e1561b3f7"}},
    {129,
     {"aaf1b0371f6d4ee49ee4fb5ddd9c49ef",
      "64475dfe7600d7171bea0b394e27c9b00d8e74dd1e416a79473682ad3dfdbb706631558055cfc8a40e07bd015a45"
      "40dcdea15883cbbf31412df1de1cd4152b91",
      "5099c6a56203f9687f7d33f4bfdf576d31dc91f6b695ecea38b2770c87631135",
      "1d9da57fbbdab09afb3506ab2d223d06109d65c1c8ad197f50138f714bc4c3f2fe5787922639c680acad1c651f95"
      "5990425954ce2cba0c5cc83f2667d878eb0f"}},
    {65536,
     {"4aabca8671658af6902f510327fb962c",
      "907091c21b30c6ab900ef2cf7b5b1905763376525731cd80ceeed0f651a9d3d008aa2226e31ce82043fcb0b5feb2"
      "a088a68e37e8eb472faab2f7680fc8159fbc",
      "4b640d85ab3ba30fd02c9fc9db4a8928f416322ad27022ea58a65aaee68a4df2",
      "ca073ef2daf10b6e3b761d5db007b8f609c7de85419ed2319fdfd35cc4c4e1f7feb61e5618d9d574552b7e2788d6"
      "74d7144ea2062b1500173528afb3352e55a4"}},
};

START_TEST(known_digests_of_all_kinds) {
    static const size_t pieces[] = {1, 127, 128, 65536};
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    for (size_t k = 0; k < sizeof known_of_specs / sizeof known_of_specs[0]; k++) {
        size_t bytes = known_of_specs[k].bytes;
        uint8_t *data = pattern(bytes + 1);
        for (size_t s = 0; s < SPECS; s++)
            for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
                oh_hash_t h;
                uint8_t digest[OH_HASH_BYTES_MAX];
                ck_assert_int_eq(oh_hash_init(&h, &specs[s]), OH_OK);
                for (size_t i = 0; i < bytes; i += pieces[p])
                    oh_hash_update(&h, data + i, bytes - i < pieces[p] ? bytes - i : pieces[p]);
                oh_hash_final(&h, digest);
                ck_digest(digest, known_of_specs[k].hex[s]);
            }
        free(data);
    }
}
END_TEST

START_TEST(lengths_that_a_kind_has_not_are_badarg) {
    oh_hash_t h;
    static const oh_hash_spec_t wrong[] = {
        {.kind = OH_HASH_BLAKE2B, .bytes = 0},
        {.kind = OH_HASH_BLAKE2B, .bytes = 15},
        {.kind = OH_HASH_BLAKE2B, .bytes = 65},
        {.kind = OH_HASH_BLAKE2B, .bytes = SIZE_MAX},
        {.kind = OH_HASH_BLAKE2B, .bytes = 32, .key = key, .key_bytes = 15},
        {.kind = OH_HASH_BLAKE2B, .bytes = 32, .key = key, .key_bytes = 65},
        {.kind = OH_HASH_SHA256, .bytes = 31},
        {.kind = OH_HASH_SHA256, .bytes = 32, .key = key, .key_bytes = 32},
        {.kind = OH_HASH_SHA512, .bytes = 32},
        {.kind = OH_HASH_SHA512, .bytes = 64, .key = key, .key_bytes = 32},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(oh_hash_init(&h, &wrong[i]), OH_BADARG);
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

static oh_file_t file;

static void open_file(void) {
    int error_number = 0;
    oh_file_init(&file);
    ck_assert_int_eq(oh_file_open(&file, path, OH_FILE_READ, &error_number), OH_OK);
}

START_TEST(files) {
    static uint8_t chunk[100000];
    for (size_t k = 0; k < KNOWN; k++) {
        oh_hash_t h;
        uint8_t digest[DEFAULT_BYTES];
        uint64_t done;
        int error_number = 0;
        write_file(known[k].bytes);
        open_file();
        ck_assert_int_eq(oh_hash_init(&h, &DEFAULT), OH_OK);
        ck_assert_int_eq(oh_hash_update_file(&h, &file, 0, UINT64_MAX, chunk, sizeof chunk, NULL,
                                             NULL, &done, &error_number),
                         OH_OK);
        ck_assert_uint_eq(done, known[k].bytes);
        oh_hash_final(&h, digest);
        ck_digest(digest, known[k].hex);
        ck_assert_int_eq(oh_file_finish(&file), 0);
    }
}
END_TEST

START_TEST(ranges_of_files) {
    enum { BYTES = 100000 };
    static const struct {
        uint64_t offset, length, done;
    } ranges[] = {
        {0, UINT64_MAX, BYTES},         {0, BYTES, BYTES}, {0, 0, 0},         {1, 999, 999},
        {777, UINT64_MAX, BYTES - 777}, {BYTES, 5, 0},     {BYTES + 9, 5, 0}, {99990, 11, 10},
    };
    static const size_t chunks[] = {1, 100, 4096, BYTES, 2 * BYTES};
    write_file(BYTES);
    uint8_t *data = pattern(BYTES), *chunk = malloc(2 * BYTES);
    int error_number = 0;
    open_file();
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++)
        for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
            oh_hash_t h;
            uint64_t done;
            uint8_t digest[DEFAULT_BYTES], expected[DEFAULT_BYTES];
            (void)oh_hash_init(&h, &DEFAULT);
            ck_assert_int_eq(oh_hash_update_file(&h, &file, ranges[r].offset, ranges[r].length,
                                                 chunk, chunks[c], NULL, NULL, &done,
                                                 &error_number),
                             OH_OK);
            ck_assert_uint_eq(done, ranges[r].done);
            oh_hash_final(&h, digest);
            hash_bytes(data + (done > 0 ? ranges[r].offset : 0), done, expected);
            ck_assert_mem_eq(digest, expected, sizeof digest);
        }
    ck_assert_int_eq(oh_file_finish(&file), 0);
    free(chunk);
    free(data);
}
END_TEST

static bool stop_at(void *context) {
    int *reads = context;
    return (*reads)-- == 0;
}

START_TEST(a_stop_ends_it_between_two_reads) {
    enum { CHUNK = 1000 };
    static uint8_t chunk[CHUNK];
    write_file(10 * CHUNK);
    open_file();
    for (int reads = 0; reads < 5; reads++) {
        oh_hash_t h;
        int left = reads, error_number = 0;
        uint64_t done;
        ck_assert_int_eq(oh_hash_init(&h, &DEFAULT), OH_OK);
        ck_assert_int_eq(oh_hash_update_file(&h, &file, 0, UINT64_MAX, chunk, CHUNK, stop_at, &left,
                                             &done, &error_number),
                         OH_CLOSED);
        ck_assert_uint_eq(done, (uint64_t)reads * CHUNK);
        uint8_t digest[DEFAULT_BYTES], expected[DEFAULT_BYTES], *data = pattern(10 * CHUNK);
        oh_hash_final(&h, digest);
        hash_bytes(data, done, expected);
        ck_assert_mem_eq(digest, expected, sizeof digest);
        free(data);
    }
    ck_assert_int_eq(oh_file_finish(&file), 0);
}
END_TEST

START_TEST(what_cannot_be_read_says_why) {
    oh_hash_t h;
    uint8_t byte;
    uint64_t done;
    int error_number = 0;
    write_file(10);
    oh_file_init(&file);
    ck_assert_int_eq(oh_file_open(&file, path, OH_FILE_APPEND, &error_number), OH_OK);
    ck_assert_int_eq(oh_hash_init(&h, &DEFAULT), OH_OK);
    ck_assert_int_eq(
        oh_hash_update_file(&h, &file, 0, UINT64_MAX, &byte, 1, NULL, NULL, &done, &error_number),
        OH_ERRNO);
    ck_assert_int_eq(error_number, EBADF);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(
        oh_hash_update_file(&h, &file, 0, UINT64_MAX, &byte, 0, NULL, NULL, &done, &error_number),
        OH_BADARG);
    ck_assert_int_eq(oh_file_finish(&file), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_hash");
    TCase *tc = tcase_create("hash");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, known_digests);
    tcase_add_test(tc, pieces_give_the_digest_of_the_whole);
    tcase_add_test(tc, known_digests_of_all_kinds);
    tcase_add_test(tc, lengths_that_a_kind_has_not_are_badarg);
    tcase_add_test(tc, files);
    tcase_add_test(tc, ranges_of_files);
    tcase_add_test(tc, what_cannot_be_read_says_why);
    tcase_add_test(tc, a_stop_ends_it_between_two_reads);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
