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
