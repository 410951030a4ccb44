/*
 * oh_crc32c: the CRC-32C (Castagnoli) checksum of iSCSI (RFC 3720), ext4, Kafka and SCTP.
 *
 * Uses the instructions of SSE 4.2 or ARMv8 where the processor has them, which is found out when
 * the library is loaded, and tables elsewhere. Pure functions; any thread, any alignment.
 */
#ifndef OH_CRC32C_H
#define OH_CRC32C_H

#include "oh_common.h"

/* The checksum of the bytes that gave previous, followed by these. previous is 0 at the start. */
uint32_t oh_crc32c(uint32_t previous, const void *bytes, uint64_t length);

/* The same by tables, whatever the processor has. */
uint32_t oh_crc32c_portable(uint32_t previous, const void *bytes, uint64_t length);

/* True if oh_crc32c uses instructions made for it. */
bool oh_crc32c_is_native(void);

#endif
