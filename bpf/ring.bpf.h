/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Submitting to a ring without a wake-up per record: a wake-up per event halves the rate. */
#ifndef PLUMB_RING_BPF_H
#define PLUMB_RING_BPF_H

#include "kernel.h"
#include "wire.h"

/* The consumer announces `idle`, looks at the ring, and looks again a moment later before it sleeps for long:
 * a record whose program read the flag just before it was set is found then. */
static __always_inline __u64 ring_wake(struct ring_control *control, __u8 mode)
{
	if (mode == WAKEUP_ADAPTIVE && control && *(volatile __u32 *)&control->idle) {
		*(volatile __u32 *)&control->idle = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void ring_submit(void *record, struct ring_control *control, __u8 mode)
{
	bpf_ringbuf_submit(record, ring_wake(control, mode));
}

#endif
