/* Every atom the library makes. ATOM(x) is the atom x; ATOM_NAMED(field, "x") where x is no C name.
 */

/* results */
ATOM(ok)
ATOM(error)
ATOM_NAMED(true_, "true")
ATOM_NAMED(false_, "false")
ATOM(undefined)

/* reasons, with those of the core's statuses */
#define OH_STATUS_ATOM(upper, lower) ATOM_NAMED(status_##lower, #lower)
OH_STATUS_MAP(OH_STATUS_ATOM)
#undef OH_STATUS_ATOM

/* atomics */
ATOM(size)
ATOM(max)
ATOM(min)
ATOM(memory)
ATOM(type)
ATOM(integer)
ATOM_NAMED(signed_, "signed")
ATOM_NAMED(unsigned_, "unsigned")
ATOM_NAMED(float_, "float")
ATOM(bits)
ATOM(overflow)
ATOM(wrap)
ATOM(saturate)
ATOM(raise)
ATOM(layout)
ATOM(packed)
ATOM(padded)
ATOM(badarith)
ATOM(limit)
ATOM(put)
ATOM(add)
ATOM(saturating_add)
ATOM(band)
ATOM(bor)
ATOM(bxor)

/* pools and buffers */
ATOM(offheap_buffer)
ATOM(infinity)
ATOM(writable)
ATOM(state)
ATOM(generation)
ATOM(capacity)
ATOM(owner)
ATOM(append)
ATOM(dirty)
ATOM_NAMED(auto_, "auto")
ATOM_NAMED(inline_, "inline")
ATOM(eof)
ATOM(enospc)
ATOM(einval)
ATOM(leases)
ATOM(recycled)
ATOM(leased)
ATOM(leased_bytes)
ATOM(frozen_bytes)
ATOM(cached)
ATOM(cached_bytes)
ATOM(bytes)
ATOM(refused)
ATOM(reclaimed)
ATOM(dropped)
ATOM(largest)
ATOM(max_bytes)

/* files and hashes */
ATOM(read)
ATOM(write)
ATOM(exclusive)
ATOM(sync)
ATOM(blake2b)
ATOM(sha256)
ATOM(sha512)

/* the registry, with the kinds it counts */
#define OH_KIND_ATOM(upper, lower) ATOM_NAMED(kind_##lower, #lower)
OH_KIND_MAP(OH_KIND_ATOM)
#undef OH_KIND_ATOM
ATOM(stores)
ATOM(gone)

/* store */
ATOM_NAMED(public_, "public")
ATOM_NAMED(protected_, "protected")
ATOM_NAMED(private_, "private")
ATOM(done)
ATOM(general)

/* tables' types, owners and errors */
ATOM_NAMED(ets_transfer, "ETS-TRANSFER")
ATOM(set)
ATOM(ordered_set)
ATOM(bag)
ATOM(duplicate_bag)
ATOM(id)
ATOM(access)

/* counters */
ATOM(stripes)

/* id generators */
ATOM(node)
ATOM(epoch_ms)
ATOM(node_bits)
ATOM(sequence_bits)
ATOM(exhaustion)
ATOM(borrow)
ATOM(batch_max)

/* histograms */
ATOM(count)
ATOM(sum)
ATOM(mean)
ATOM(stddev)
ATOM(lowest)
ATOM(highest)
ATOM(digits)
ATOM(out_of_range)
ATOM(buckets)
ATOM(cells)
ATOM(malformed)

/* bit sets */
ATOM(full)
ATOM(not_claimed)

/* jobs */
ATOM(none)
ATOM(lane)
ATOM(io)
ATOM(whole)
ATOM(port_only)
ATOM(cancelled)
ATOM(unknown_job)
ATOM(path)
ATOM(boolean)
ATOM(again)
