/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What a packet adds to its direction at every level: volume, flags, times. A super-packet adds what its
 * segments would: each has the headers, each but the last as much payload as the others; FIN and PSH are the
 * last one's and CWR the first one's (tcp_gso_segment in net/ipv4/tcp_offload.c). */
#ifndef PLUMB_FLOWS_UPDATE_BPF_H
#define PLUMB_FLOWS_UPDATE_BPF_H

#include "state.bpf.h"

/* A packet that is to be added. */
struct arrival {
	struct frame frame __attribute__((aligned(8)));	  /* addresses are compared by words, */
	struct flows_key key __attribute__((aligned(8))); /* and the key is hashed by words */
	__u64 now;
	__u64 now_us;
	__u32 network_length; /* of a segment's headers from IP on */
	__u8 hook;
	__u8 from_high;
	__u8 backward;
	__u8 late;
};

enum tcp_bits {
	BIT_FIN = 0,
	BIT_SYN = 1,
	BIT_RST = 2,
	BIT_PSH = 3,
	BIT_ACK = 4,
	BIT_URG = 5,
	BIT_ECE = 6,
	BIT_CWR = 7,
};

static __always_inline int has_flag(const struct arrival *a, int bit)
{
	return a->frame.headers.tcp_flags >> bit & 1;
}

static __always_inline void update_flags(struct flows_side *side, const struct arrival *a)
{
	__u32 segments = a->frame.segments;
	__u32 flags = a->frame.headers.tcp_flags;

#pragma unroll
	for (int bit = 0; bit < FLOWS_FLAGS; bit++) {
		__u32 each = bit == BIT_FIN || bit == BIT_PSH || bit == BIT_CWR ? 1 : segments;

		side->flags[bit] += (flags >> bit & 1) * each;
	}
	side->tcp_flags |= flags;
}

static __always_inline void update_ttl(struct flows_side *side, __u8 ttl)
{
	if (ttl < side->min_ttl)
		side->min_ttl = ttl;
	if (ttl > side->max_ttl)
		side->max_ttl = ttl;
}

static __always_inline void update_first(struct flows_side *side, const struct arrival *a)
{
	const struct header_fields *h = &a->frame.headers;

	side->first_ns = a->now;
	side->last_us = a->now_us;
	side->first_ttl = side->min_ttl = side->max_ttl = h->ttl;
	side->first_tos = h->tos;
}

static __always_inline void update_tcp(struct flows_side *side, const struct arrival *a)
{
	const struct header_fields *h = &a->frame.headers;

	if (!(side->shown & FLOWS_SHOWN_WINDOW)) {
		side->init_window = h->window;
		side->shown |= FLOWS_SHOWN_WINDOW;
	}
	if (has_flag(a, BIT_SYN) && !(side->shown & FLOWS_SHOWN_SYN)) {
		side->isn = a->frame.transport.sequence;
		side->shown |= FLOWS_SHOWN_SYN;
	}
	update_flags(side, a);
}

static __always_inline void update_volume(struct flows_side *side, const struct arrival *a)
{
	const struct frame *f = &a->frame;
	__u32 more = f->segments - 1;

	side->packets += f->segments;
	side->frame_bytes += f->length;
	side->ip_bytes += f->headers.ip_length;
	side->payload_bytes += f->payload;
	side->transport_header_bytes += f->headers.transport_header * f->segments;
	if (f->payload)
		side->data_packets += f->segments;
	if (more) {
		side->frame_bytes += (__u64)more * (f->length - f->payload);
		side->ip_bytes += (__u64)more * a->network_length;
	}
}

static __always_inline void update_side(struct flows_side *side, const struct arrival *a)
{
	const struct header_fields *h = &a->frame.headers;

	if (!side->packets)
		update_first(side, a);
	update_volume(side, a);
	update_ttl(side, h->ttl);
	side->tos |= h->tos;
	if (h->bits & (HEADERS_FIRST_FRAGMENT | HEADERS_LATER_FRAGMENT))
		side->fragments++;
	if (a->key.protocol == PROTOCOL_TCP && h->transport_header)
		update_tcp(side, a);
	if (a->now > side->last_ns)
		side->last_ns = a->now;
}

/* Whose connection ends: by a reset, or by FINs of both and the acknowledgement of the later one. */
static __always_inline void update_closing(struct flows_entry *e, const struct arrival *a)
{
	__u8 both = FLOWS_FIN_FWD | FLOWS_FIN_BWD, mine = a->backward ? FLOWS_FIN_BWD : FLOWS_FIN_FWD;
	__u8 last_backward = !!(e->tcp & FLOWS_FIN_LAST_BWD), ends = 0;

	if (has_flag(a, BIT_RST)) {
		e->tcp |= FLOWS_RESET;
		ends = 1;
	} else if ((e->tcp & both) == both && has_flag(a, BIT_ACK) && a->backward != last_backward) {
		ends = 1;
	} else if (has_flag(a, BIT_FIN) && !(e->tcp & mine)) {
		e->tcp |= mine;
		e->tcp = a->backward ? e->tcp | FLOWS_FIN_LAST_BWD : e->tcp & ~FLOWS_FIN_LAST_BWD;
	}
	if (ends && !(e->tcp & FLOWS_CLOSED)) {
		e->tcp |= FLOWS_CLOSED;
		e->closed_ns = a->now;
	}
}

#endif
