#include "oh_buffer.h"

#include <string.h>

bool oh_buffer_leave_unless_last(oh_buffer_t *b) {
    uint64_t word = oh_load_relaxed(&b->word);
    do {
        if (oh_buffer_word_state(word) == OH_BUFFER_RELEASED && oh_buffer_word_busy(word) == 1)
            return false;
    } while (!oh_cas_weak_acqrel_acquire(&b->word, &word, word - 1)); /* R2 */
    return true;
}

void oh_buffer_put(oh_buffer_t *b, uint64_t offset, const void *bytes, size_t length) {
    if (length > 0)
        memcpy(oh_buffer_at(b, offset), bytes, length);
}

void oh_buffer_grow(oh_buffer_t *b, uint64_t offset, uint64_t end) {
    uint64_t size = oh_load_relaxed(&b->size); /* only this thread moves it */
    if (end <= size)
        return;
    if (offset > size)
        memset(oh_buffer_at(b, size), 0, offset - size);
    oh_store_release(&b->size, end); /* R4: pairs with A4 */
}

void oh_buffer_resize(oh_buffer_t *b, uint64_t size) {
    oh_buffer_grow(b, size, size);
    oh_store_release(&b->size, size); /* R4: pairs with A4 */
}

bool oh_buffer_valid(oh_buffer_t *b) {
    uint64_t word = oh_buffer_word(b);
    uint64_t capacity = oh_buffer_capacity(b);
    if (oh_buffer_word_state(word) == OH_BUFFER_SPLITTING && oh_buffer_word_busy(word) != 1)
        return false;
    if ((word & OH_BUFFER_EXTEND_BIT) && oh_buffer_word_busy(word) == 0)
        return false;
    uint64_t block_bytes = oh_load_relaxed(&b->block_bytes);
    if ((b->block == NULL) != (block_bytes == 0))
        return false;
    if (block_bytes != 0 && (b->data < b->block || b->data + capacity != b->block + block_bytes))
        return false;
    if (oh_buffer_word_state(word) == OH_BUFFER_RELEASED)
        return true;
    return b->block != NULL && oh_buffer_size(b) <= capacity && oh_load_relaxed(&b->owner) != 0;
}
