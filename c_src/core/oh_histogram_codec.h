/*
 * oh_histogram_codec: HDR histograms as bytes, in HdrHistogram's encoding V2, uncompressed.
 *
 * All numbers are big-endian.
 *
 *    0  int32   cookie 0x1c849313
 *    4  int32   bytes of the payload
 *    8  int32   normalizing index offset: 0 here
 *   12  int32   significant digits
 *   16  int64   lowest discernible value
 *   24  int64   highest trackable value
 *   32  double  ratio of integers to doubles: 1.0 here
 *   40          payload: the counts of the cells in order, up to the last that is not 0, each as
 *               ZigZag LEB128 (9 bytes at most: the ninth has no continuation bit). A negative
 *               number -n stands for n cells of 0, n > 1.
 *
 * The encoding has no sum, lowest and highest value. What is decoded takes the middle of each cell
 * for the sum, and the ends of the first and the last cell counted for the other two.
 *
 * Every function works on a histogram in a reading of the caller, or on one that nobody else knows.
 */
#ifndef OH_HISTOGRAM_CODEC_H
#define OH_HISTOGRAM_CODEC_H

#include "oh_histogram.h"

/* The bytes that the encoding takes. *bytes is 0 and the result OH_BADARG for an explicit
 * histogram, OH_LIMIT for a count beyond 2^63 - 1, which has no encoding. */
oh_status_t oh_histogram_encoded_bytes(const oh_histogram_t *h, size_t *bytes);

/* Writes the encoding: bytes as oh_histogram_encoded_bytes told in the same reading. */
void oh_histogram_encode(const oh_histogram_t *h, uint8_t *out, size_t bytes);

/* Makes *h a histogram of what is encoded. Reads no byte beyond data + bytes, whatever they are.
 * OH_BADARG for what is no such encoding, and for one with an offset, a ratio other than 1, or more
 * than 2^63 - 1 values; OH_ENOMEM. On an error *h needs no free. */
oh_status_t oh_histogram_decode(oh_histogram_t *h, uint32_t stripes, const uint8_t *data,
                                size_t bytes);

#endif
