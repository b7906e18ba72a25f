/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A log-linear histogram: the numbers that its writer and its reader share. */
#ifndef PLUMB_HIST_H
#define PLUMB_HIST_H

#include <linux/types.h>

enum hist_const {
	HIST_STEP_BITS = 4, /* 16 buckets for each doubling: a bucket is at most 1/16 of its values wide */
	HIST_STEPS = 1 << HIST_STEP_BITS,
	HIST_BITS = 36, /* values below 2^36, 68 s in nanoseconds, have a bucket, others are counted as
			   overflow */
	HIST_BUCKETS = (HIST_BITS - HIST_STEP_BITS + 1) * HIST_STEPS,
	HIST_TRIES = 16,   /* to set the maximum, against other CPUs that do */
	HIST_SLOTS = 1024, /* the next power of two: a mask keeps the verifier from asking */
};

/* One histogram, written by one program on one CPU. */
struct histogram {
	__u64 sum;
	__u64 max;
	__u64 overflow;
	__u64 buckets[HIST_SLOTS];
};
_Static_assert(sizeof(struct histogram) == 8 * (3 + 1024), "words");

#endif
