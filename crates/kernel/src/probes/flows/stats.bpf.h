/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What a packet adds from FLOWS_STATS on: spreads of lengths and gaps, windows, retransmissions, handshake,
 * activity, bulks and the connection's history. */
#ifndef PLUMB_FLOWS_STATS_BPF_H
#define PLUMB_FLOWS_STATS_BPF_H

#include "update.bpf.h"

enum stats_const {
	STATS_SUBFLOW_GAP_US = 1000000, /* a longer gap begins a subflow (CICFlowMeter) */
	STATS_BULK_GAP_US = 1000000,	/* a longer gap ends a bulk, */
	STATS_BULK_PACKETS = 4,		/* which is at least so many packets with data (CICFlowMeter) */
	STATS_NO_SIDE = 2,
};

static __always_inline void spread_add(struct flows_spread *spread, __u64 value, __u64 count)
{
	spread->squares += value * value * count;
	if (value < spread->min)
		spread->min = value;
	if (value > spread->max)
		spread->max = value;
}

static __always_inline void spread_clear(struct flows_spread *spread)
{
	spread->squares = 0;
	spread->min = 0xffffffff;
	spread->max = 0;
}

static __always_inline void stats_begin(struct flows_entry *e, const struct arrival *a)
{
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct flows_side_stats *s = &e->stats[i];

		spread_clear(&s->ip_length);
		spread_clear(&s->payload_length);
		spread_clear(&s->gap_us);
		s->min_window = 0xffff;
		s->min_transport_header = 0xff;
		s->syn_scale = 0xff;
	}
	spread_clear(&e->shared.gap_us);
	spread_clear(&e->shared.active.us);
	spread_clear(&e->shared.idle.us);
	e->shared.last_us = a->now_us;
	e->shared.active_since_us = a->now_us;
	e->shared.bulk_side = STATS_NO_SIDE;
}

static __always_inline void stats_lengths(struct flows_side_stats *s, const struct arrival *a)
{
	const struct frame *f = &a->frame;
	__u32 more = f->segments - 1, last = f->payload;

	if (more) {
		last = f->payload - more * f->segment_payload;
		spread_add(&s->ip_length, a->network_length + f->segment_payload, more);
		spread_add(&s->payload_length, f->segment_payload, more);
		spread_add(&s->ip_length, a->network_length + last, 1);
	} else {
		spread_add(&s->ip_length, f->headers.ip_length, 1);
	}
	spread_add(&s->payload_length, last, 1);
	if (f->headers.transport_header && f->headers.transport_header < s->min_transport_header)
		s->min_transport_header = f->headers.transport_header;
}

/* Segments of a super-packet have one time: no gap is between them. */
static __always_inline __u64 stats_gap(struct flows_spread *spread, __u64 last_us, const struct arrival *a)
{
	__u64 gap = a->now_us > last_us ? a->now_us - last_us : 0;

	spread_add(spread, gap, 1);
	return gap;
}

static __always_inline void spans_add(struct flows_spans *spans, __u64 length_us)
{
	spans->count++;
	spans->sum_us += length_us;
	spread_add(&spans->us, length_us, 1);
}

static __always_inline void stats_activity(struct flows_shared *s, const struct arrival *a, __u64 gap)
{
	if (gap > STATS_SUBFLOW_GAP_US)
		s->subflows++;
	if (gap > config.active_gap_us) {
		spans_add(&s->active, s->last_us - s->active_since_us);
		spans_add(&s->idle, gap);
		s->active_since_us = a->now_us;
	}
}

static __always_inline void stats_bulk(struct flows_entry *e, const struct arrival *a)
{
	struct flows_shared *s = &e->shared;
	struct flows_side_stats *side = &e->stats[a->backward & 1];
	__u64 since = a->now_us > s->bulk_last_us ? a->now_us - s->bulk_last_us : 0;
	__u64 packets = a->frame.segments, bytes = a->frame.payload, us = since;

	if (s->bulk_side != a->backward || since > STATS_BULK_GAP_US) {
		s->bulk_side = a->backward;
		s->bulk_packets = s->bulk_bytes = 0;
		s->bulk_since_us = a->now_us > s->bulk_last_us ? a->now_us : s->bulk_last_us;
		us = 0;
	}
	s->bulk_last_us = a->now_us > s->bulk_last_us ? a->now_us : s->bulk_last_us;
	s->bulk_packets += packets;
	s->bulk_bytes += bytes;
	if (s->bulk_packets < STATS_BULK_PACKETS)
		return;
	if (s->bulk_packets - packets < STATS_BULK_PACKETS) {
		side->bulks++;
		packets = s->bulk_packets;
		bytes = s->bulk_bytes;
		us = s->bulk_last_us - s->bulk_since_us;
	}
	side->bulk_packets += packets;
	side->bulk_bytes += bytes;
	side->bulk_us += us;
}

static __always_inline void stats_retransmission(struct flows_side *side, struct flows_side_stats *s,
						 const struct arrival *a)
{
	__u32 end =
		a->frame.transport.sequence + a->frame.payload + has_flag(a, BIT_SYN) + has_flag(a, BIT_FIN);
	int known = side->shown & FLOWS_SHOWN_SEQUENCE;

	if (known && (__s32)(end - side->high_sequence) <= 0) {
		if (a->frame.payload) {
			s->retransmitted_packets += a->frame.segments;
			s->retransmitted_bytes += a->frame.payload;
		}
		return;
	}
	side->high_sequence = end;
	side->shown |= FLOWS_SHOWN_SEQUENCE;
}

static __always_inline void stats_handshake(struct flows_shared *s, const struct arrival *a)
{
	int syn = has_flag(a, BIT_SYN), ack = has_flag(a, BIT_ACK);

	if (syn && !ack && !a->backward && !s->syn_ns)
		s->syn_ns = a->now;
	if (syn && ack && a->backward && !s->syn_ack_ns)
		s->syn_ack_ns = a->now;
	if (!syn && ack && !a->backward && s->syn_ack_ns && !s->ack_ns)
		s->ack_ns = a->now;
}

/* Zeek's letters (conn.log history): upper case of the initiator, each once per direction. */
static __always_inline void stats_letter(struct flows_shared *s, const struct arrival *a, int number,
					 char letter)
{
	__u32 bit = 1u << (number * 2 + (a->backward & 1)), at = s->histories;

	if (s->histories_seen & bit || at >= FLOWS_HISTORY)
		return;
	s->histories_seen |= bit;
	s->history[at & (FLOWS_HISTORY - 1)] = a->backward ? letter + 32 : letter;
	s->histories = at + 1;
}

static __always_inline void stats_history(struct flows_shared *s, const struct arrival *a)
{
	int syn = has_flag(a, BIT_SYN), ack = has_flag(a, BIT_ACK);

	if (syn && ack)
		stats_letter(s, a, 0, 'H');
	else if (syn)
		stats_letter(s, a, 1, 'S');
	if (a->frame.payload)
		stats_letter(s, a, 2, 'D');
	else if (ack && !syn && !has_flag(a, BIT_FIN) && !has_flag(a, BIT_RST))
		stats_letter(s, a, 3, 'A');
	if (has_flag(a, BIT_FIN))
		stats_letter(s, a, 4, 'F');
	if (has_flag(a, BIT_RST))
		stats_letter(s, a, 5, 'R');
}

static __always_inline void stats_tcp(struct flows_entry *e, struct flows_side *side, const struct arrival *a)
{
	struct flows_side_stats *s = &e->stats[a->backward & 1];
	__u16 window = a->frame.headers.window;

	if (window < s->min_window)
		s->min_window = window;
	if (window > s->max_window)
		s->max_window = window;
	if (!window)
		s->zero_windows += a->frame.segments;
	if (has_flag(a, BIT_SYN) && !(side->shown & FLOWS_SHOWN_SYN)) {
		s->syn_mss = a->frame.headers.syn_mss;
		s->syn_scale = a->frame.headers.syn_scale - 1;
	}
	stats_retransmission(side, s, a);
	stats_handshake(&e->shared, a);
	stats_history(&e->shared, a);
}

/* Before the direction's own update, which moves its last time on. */
static __always_inline void stats_update(struct flows_entry *e, struct flows_side *side,
					 const struct arrival *a)
{
	struct flows_side_stats *s = &e->stats[a->backward & 1];
	int first = !e->sides[0].packets && !e->sides[1].packets;

	if (side->packets)
		stats_gap(&s->gap_us, side->last_us, a);
	if (!first)
		stats_activity(&e->shared, a, stats_gap(&e->shared.gap_us, e->shared.last_us, a));
	if (a->frame.segments > 1) {
		s->gap_us.min = 0;
		e->shared.gap_us.min = 0;
	}
	stats_lengths(s, a);
	if (a->frame.payload) {
		stats_bulk(e, a);
		if (a->backward && !e->shared.first_data_bwd_ns)
			e->shared.first_data_bwd_ns = a->now;
		if (!a->backward && !e->shared.first_data_fwd_ns)
			e->shared.first_data_fwd_ns = a->now;
	}
	if (a->key.protocol == PROTOCOL_TCP && a->frame.headers.transport_header)
		stats_tcp(e, side, a);
	if (a->now_us > side->last_us)
		side->last_us = a->now_us;
	if (a->now_us > e->shared.last_us)
		e->shared.last_us = a->now_us;
}

#endif
