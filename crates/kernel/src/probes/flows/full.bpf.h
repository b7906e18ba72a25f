/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What a packet adds at FLOWS_FULL: histograms, and itself where it is one of the first. */
#ifndef PLUMB_FLOWS_FULL_BPF_H
#define PLUMB_FLOWS_FULL_BPF_H

#include "update.bpf.h"

/* Comparisons side by side instead of a loop: each is one instruction or two. */
static __always_inline __u32 full_payload_bin(__u32 payload)
{
	__u32 bin = 0;

#pragma unroll
	for (int k = 0; k < 7; k++)
		bin += payload >= 16u << k;
	return bin;
}

static __always_inline __u32 full_gap_bin(__u64 gap_us)
{
	__u32 bin = 0;

#pragma unroll
	for (int k = 1; k < FLOWS_BINS; k++)
		bin += gap_us >= 1ull << (2 * k);
	return bin;
}

static __always_inline void full_first(struct flows_entry *e, const struct arrival *a, __u32 ip_length,
				       __u32 payload)
{
	struct flows_first *firsts = (void *)(e + 1);
	__u32 at = e->firsts;

	/* What is compared must be what is added, or the verifier does not know its bound. */
	asm volatile("" : "+r"(at));
	if (at >= config.firsts || at >= FLOWS_FIRST_MAX)
		return;
	firsts[at].at_ns = a->now;
	firsts[at].ip_length = ip_length;
	firsts[at].payload_length = payload;
	firsts[at].tcp_flags = a->frame.headers.tcp_flags;
	firsts[at].backward = a->backward;
	e->firsts = at + 1;
}

static __always_inline void full_firsts(struct flows_entry *e, const struct arrival *a)
{
	const struct frame *f = &a->frame;
	__u32 more = f->segments - 1;

	if (!more) {
		full_first(e, a, f->headers.ip_length, f->payload);
		return;
	}
	for (__u32 i = 0; i < FLOWS_FIRST_MAX; i++) {
		if (i >= more || e->firsts >= config.firsts)
			break;
		full_first(e, a, a->network_length + f->segment_payload, f->segment_payload);
	}
	full_first(e, a, a->network_length + f->payload - more * f->segment_payload,
		   f->payload - more * f->segment_payload);
}

/* Before the direction's own update, which counts the packet. */
static __always_inline void full_update(struct flows_entry *e, const struct flows_side *side, __u64 last_us,
					const struct arrival *a)
{
	struct flows_side_full *full = &e->full[a->backward & 1];
	__u32 more = a->frame.segments - 1, last = a->frame.payload;

	if (side->packets)
		full->gap_bins[full_gap_bin(a->now_us > last_us ? a->now_us - last_us : 0) &
			       (FLOWS_BINS - 1)]++;
	if (more) {
		full->gap_bins[0] += more;
		full->payload_bins[full_payload_bin(a->frame.segment_payload) & 7] += more;
		last = a->frame.payload - more * a->frame.segment_payload;
	}
	full->payload_bins[full_payload_bin(last) & 7]++;
	full_firsts(e, a);
}

#endif
