/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Counting into a log-linear histogram. Records' histogram.rs is the reader's side of the same arithmetic. */
#ifndef PLUMB_HIST_BPF_H
#define PLUMB_HIST_BPF_H

#include "hist.h"
#include "kernel.h"

/* The place of the highest bit that is set, for a value that is not 0. BPF has no instruction for it, and
 * clang's own expansion of __builtin_clz counts bits with multiplications. */
static __always_inline __u32 hist_log2(__u64 value)
{
	__u32 log, more;

	log = (value > 0xffffffff) << 5;
	value >>= log;
	more = (value > 0xffff) << 4;
	value >>= more;
	log |= more;
	more = (value > 0xff) << 3;
	value >>= more;
	log |= more;
	more = (value > 0xf) << 2;
	value >>= more;
	log |= more;
	more = (value > 0x3) << 1;
	value >>= more;
	log |= more;
	return log | (value >> 1);
}

/* Below HIST_STEPS each value has a bucket of its own; above, each doubling has HIST_STEPS of them. */
static __always_inline __u32 hist_bucket(__u64 value)
{
	__u32 shift;

	if (value < HIST_STEPS)
		return value;
	shift = hist_log2(value) - HIST_STEP_BITS;
	return (shift << HIST_STEP_BITS) + (value >> shift);
}

static __always_inline void hist_add(struct histogram *h, __u64 value)
{
	h->sum += value;
	if (value > h->max)
		h->max = value;
	if (value >> HIST_BITS) {
		h->overflow++;
		return;
	}
	/* The mask changes nothing: it stands for the bound that the verifier does not find behind the
	 * shifts. */
	h->buckets[hist_bucket(value) & (HIST_SLOTS - 1)]++;
}

/* The same, where several CPUs write one histogram. */
static __always_inline void hist_add_shared(struct histogram *h, __u64 value)
{
	__u64 max = *(volatile __u64 *)&h->max, before;

	__sync_fetch_and_add(&h->sum, value);
	/* Each try that fails was another CPU's larger value. */
	for (int i = 0; i < HIST_TRIES && value > max; i++) {
		before = __sync_val_compare_and_swap(&h->max, max, value);
		if (before == max)
			break;
		max = before;
	}
	if (value >> HIST_BITS)
		__sync_fetch_and_add(&h->overflow, 1);
	else
		__sync_fetch_and_add(&h->buckets[hist_bucket(value) & (HIST_SLOTS - 1)], 1);
}

#endif
