/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Submitting to a ring without a wake-up per record: a wake-up per event halves the rate. */
#ifndef PLUMB_RING_BPF_H
#define PLUMB_RING_BPF_H

#include "kernel.h"
#include "wire.h"

/* Reserving is a full barrier (the ring's spin lock), so `idle` is read after this record is visible to the
 * consumer's last look before it sleeps: either we see `idle`, or it sees the record. */
static __always_inline void ring_submit(void *record, struct ring_control *control, __u8 mode)
{
	if (mode == WAKEUP_ADAPTIVE && control && *(volatile __u32 *)&control->idle) {
		*(volatile __u32 *)&control->idle = 0;
		bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
		return;
	}
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

#endif
