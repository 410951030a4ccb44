#include "nif_store_cursor.h"

#include "../core/oh_alloc.h"

bool store_cursor_open(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM position,
                       store_cursor_t *cursor) {
    *cursor = (store_cursor_t){.store = s, .position = OH_POSITION_END};
    if (enif_is_identical(position, nif_atom.done))
        return true;
    return nif_get_unsigned(env, position, &cursor->position) && cursor->position < OH_POSITION_END;
}

void store_cursor_close(store_cursor_t *cursor) {
    oh_free(cursor->entries);
}

ERL_NIF_TERM store_cursor_position(ErlNifEnv *env, const store_cursor_t *cursor) {
    return store_cursor_ended(cursor) ? nif_atom.done : enif_make_uint64(env, cursor->position);
}

oh_status_t store_cursor_next(store_cursor_t *cursor) {
    for (;;) {
        /* The segment may grow after it was asked for its size. */
        uint32_t room = oh_table_scan_room(cursor->store->table, cursor->position);
        if (room > cursor->room || cursor->entries == NULL) {
            oh_free(cursor->entries);
            cursor->entries = oh_alloc((room + 1) * sizeof *cursor->entries);
            cursor->room = room;
        }
        if (cursor->entries == NULL)
            return OH_ENOMEM;
        oh_status_t status = oh_table_scan(cursor->store->table, &cursor->position, cursor->entries,
                                           cursor->room, &cursor->count);
        if (status != OH_LIMIT)
            return status;
    }
}
