/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A per-CPU table of groups that only grows: entries lie densely in one bank per CPU, and an open-addressed
 * index of entry numbers finds them. A tracing program never runs twice at once on a CPU (the kernel skips it
 * and counts a recursion miss), so a bank has one writer and needs no lock; readers map the banks and go by
 * `used`.
 *
 * Why not a PERCPU_HASH: there a lookup is a helper call with jhash and memcmp, an insertion takes a bucket
 * lock, and reading copies every CPU's value by syscall. What this table costs is in docs/journal. */
#ifndef PLUMB_TABLE_BPF_H
#define PLUMB_TABLE_BPF_H

#include "kernel.h"

enum table_const {
	TABLE_PROBES = 16, /* at a load of one half a longer run is practically never needed */
};

static __always_inline __u64 table_mix(__u64 hash, __u64 word)
{
	/* The finaliser of splitmix64, cut to one round per word. */
	hash ^= word;
	hash *= 0xbf58476d1ce4e5b9ULL;
	return hash ^ (hash >> 29);
}

static __always_inline int table_differs(const __u64 *a, const __u64 *b, int words)
{
	__u64 difference = 0;

#pragma unroll
	for (int i = 0; i < words; i++)
		difference |= a[i] ^ b[i];
	return difference != 0;
}

#endif
