/*
 * Every function that Erlang can call: NIF(name, arity, flags) is nif_<name> in C and
 * offheap_nif:<name>/<arity> in Erlang. Flags: 0, DIRTY_CPU or DIRTY_IO.
 */

/* atomics */
NIF(atomics_new, 2, 0)
NIF(atomics_put, 3, 0)
NIF(atomics_get, 2, 0)
NIF(atomics_add, 3, 0)
NIF(atomics_add_get, 3, 0)
NIF(atomics_exchange, 3, 0)
NIF(atomics_compare_exchange, 4, 0)
NIF(atomics_info, 1, 0)
NIF(atomics_sum, 1, 0)
NIF(atomics_to_list, 4, 0)

/* hash */
NIF(hash_blake2b, 1, 0)
NIF(hash_blake2b_dirty, 1, DIRTY_CPU)
NIF(hash_file, 1, DIRTY_IO)
NIF(hash_init, 0, 0)
NIF(hash_update, 2, 0)
NIF(hash_final, 1, 0)

/* pools */
NIF(pool_new, 2, 0)
NIF(pool_lease, 2, 0)
NIF(pool_lease, 3, 0)
NIF(pool_sweep, 1, 0)
NIF(pool_info, 1, 0)
NIF(pool_trim, 1, DIRTY_CPU)
NIF(pool_close, 1, DIRTY_CPU)

/* buffers */
NIF(buffer_write, 3, 0)
NIF(buffer_append, 2, 0)
NIF(buffer_read, 1, 0)
NIF(buffer_read, 3, 0)
NIF(buffer_pread, 6, 0)
NIF(buffer_freeze, 1, 0)
NIF(buffer_slice, 3, 0)
NIF(buffer_release, 1, 0)
NIF(buffer_size, 1, 0)
NIF(buffer_capacity, 1, 0)
NIF(buffer_owner, 1, 0)
NIF(buffer_give_away, 2, 0)
NIF(buffer_info, 1, 0)

/* files that buffers read from */
NIF(file_open, 1, DIRTY_IO)
NIF(file_size, 1, 0)
NIF(file_close, 1, DIRTY_IO)

/* store */
NIF(store_new, 4, 0)
NIF(store_delete, 1, 0)
NIF(store_properties, 1, 0)
NIF(store_stats, 2, 0)
NIF(store_scan, 3, 0)
NIF(store_lookup, 2, 0)
NIF(store_member, 2, 0)
NIF(store_lookup_element, 3, 0)
NIF(store_lookup_element_or, 4, 0)
NIF(store_get, 3, 0)
NIF(store_fetch, 2, 0)
NIF(store_insert, 2, 0)
NIF(store_insert_new, 2, 0)
NIF(store_put, 3, 0)
NIF(store_delete_key, 2, 0)
NIF(store_take, 2, 0)
NIF(store_update_counter, 3, 0)
NIF(store_replace, 3, 0)
