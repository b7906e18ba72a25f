/* SPDX-License-Identifier: GPL-2.0 */
/* Tables of sockets by address. An entry begins with the address of its socket, 0: nobody's yet, and may be
 * in one of a few places. */
#ifndef PLUMB_LATENCY_SOCKETS_BPF_H
#define PLUMB_LATENCY_SOCKETS_BPF_H

#include "state.bpf.h"
#include "table.bpf.h"

/* `mask`: entries, a power of two, less 1, here and below; `ways`: constant. */
static __always_inline void *socket_at(void *table, __u32 mask, __u64 sk, __u32 way)
{
	__u32 place = ((__u32)(table_mix(sk, 0) >> 32) ^ way) & mask;

	return bpf_map_lookup_elem(table, &place);
}

static __always_inline void *socket_find(void *table, __u32 mask, int ways, __u64 sk)
{
	for (int way = 0; way < ways; way++) {
		__u64 *entry = socket_at(table, mask, sk, way);

		if (entry && *entry == sk)
			return entry;
	}
	return (void *)0;
}

/* Gives an entry of `before` to a socket; 0: another CPU was first. */
static __always_inline int socket_claim(__u64 *entry, __u64 before, __u64 sk)
{
	return __sync_val_compare_and_swap(entry, before, sk) == before;
}

#endif
