/*
 * oh_bytes: what can be done with runs of bytes: searching, comparing, combining. Pure functions
 * that know no buffer; any thread, any alignment; each takes time linear in its lengths, find with
 * the C library's memmem as it is in glibc, musl and the BSDs.
 */
#ifndef OH_BYTES_H
#define OH_BYTES_H

#include "oh_common.h"

#define OH_BYTES_NOT_FOUND UINT64_MAX

/* Where pattern, of 1 or more bytes, first occurs in bytes; or OH_BYTES_NOT_FOUND. Mostly below a
 * tenth of a nanosecond a byte; up to some 5 ns in bytes that nearly match everywhere: in glibc's
 * memmem too, whose worst case grows with the pattern only up to 256 bytes. */
uint64_t oh_bytes_find(const char *bytes, uint64_t length, const char *pattern,
                       uint64_t pattern_length);

/* -1, 0 or 1: the order of two runs of length bytes, by their first unequal byte, unsigned. */
int oh_bytes_compare(const char *a, const char *b, uint64_t length);

/* bytes[i] ^= other[i]. The two are equal or do not overlap. */
void oh_bytes_bxor(char *bytes, const char *other, uint64_t length);

/* bytes[i] ^= key[i % key_length], key_length 1 or more. The two do not overlap. */
void oh_bytes_bxor_repeated(char *bytes, uint64_t length, const char *key, uint64_t key_length);

#endif
