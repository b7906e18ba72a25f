// SPDX-License-Identifier: GPL-2.0
/* Packets become flows where they pass: at XDP, and at TC both ways. */
#include "full.bpf.h"
#include "slots.bpf.h"
#include "state.bpf.h"
#include "stats.bpf.h"
#include "update.bpf.h"

static __always_inline struct flows_counters *flows_bank(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&flows_counts, &cpu);
}

/* Pairs of requests and replies have one key (as in Zeek and Community ID); 0 where a type has no
 * counterpart. */
static __always_inline __u32 icmp_counterpart(__u8 version, __u8 type)
{
	if (version == 4) {
		switch (type) {
		case 8:
			return 0x100 | 0;
		case 0:
			return 0x100 | 8;
		case 13:
			return 0x100 | 14;
		case 14:
			return 0x100 | 13;
		case 15:
			return 0x100 | 16;
		case 16:
			return 0x100 | 15;
		case 17:
			return 0x100 | 18;
		case 18:
			return 0x100 | 17;
		case 10:
			return 0x100 | 9;
		case 9:
			return 0x100 | 10;
		}
		return 0;
	}
	switch (type) {
	case 128:
		return 0x100 | 129;
	case 129:
		return 0x100 | 128;
	case 130:
		return 0x100 | 131;
	case 131:
		return 0x100 | 130;
	case 133:
		return 0x100 | 134;
	case 134:
		return 0x100 | 133;
	case 139:
		return 0x100 | 140;
	case 140:
		return 0x100 | 139;
	case 135:
		return 0x100 | 136;
	case 136:
		return 0x100 | 135;
	case 144:
		return 0x100 | 145;
	case 145:
		return 0x100 | 144;
	}
	return 0;
}

/* The ports of what has none. Types without a counterpart go one way: the code stands in the destination's
 * place, and what comes back is another flow. */
static __noinline int icmp_ports(struct frame *frame)
{
	__u32 counterpart = icmp_counterpart(frame->flow.version, frame->headers.icmp_type);

	frame->flow.src_port = frame->headers.icmp_type;
	frame->flow.dst_port = counterpart ? counterpart & 0xff : frame->headers.icmp_code;
	frame->flow.has_ports = 2;
	return counterpart != 0;
}

/* Any order will do that both directions agree upon. */
static __always_inline int source_is_high(const struct flow_key *flow)
{
	const __u64 *src = (const __u64 *)flow->src, *dst = (const __u64 *)flow->dst;

	if (src[0] != dst[0])
		return src[0] > dst[0];
	if (src[1] != dst[1])
		return src[1] > dst[1];
	return flow->src_port > flow->dst_port;
}

static __always_inline void flows_key_of(struct arrival *a, __u32 ifindex)
{
	struct flow_key *flow = &a->frame.flow;
	struct flows_key *key = &a->key;
	int both_ways = 1;

	if ((flow->protocol == PROTOCOL_ICMP || flow->protocol == PROTOCOL_ICMPV6) &&
	    a->frame.headers.transport_header)
		both_ways = icmp_ports(&a->frame);
	a->from_high = both_ways && source_is_high(flow);
	if (a->from_high) {
		__builtin_memcpy(key->low, flow->dst, 16);
		__builtin_memcpy(key->high, flow->src, 16);
		key->low_port = flow->dst_port;
		key->high_port = flow->src_port;
	} else {
		__builtin_memcpy(key->low, flow->src, 16);
		__builtin_memcpy(key->high, flow->dst, 16);
		key->low_port = flow->src_port;
		key->high_port = flow->dst_port;
	}
	key->vlan = a->frame.vlan;
	key->protocol = flow->protocol;
	key->version = flow->version;
	key->ifindex = ifindex;
	key->has_ports = flow->has_ports;
}

/* The initiator sends a SYN, or gets a SYN and ACK, or is unknown: then the first sender. */
static __always_inline void flows_initiate(struct flows_entry *e, const struct arrival *a)
{
	int tcp = a->key.protocol == PROTOCOL_TCP, syn = tcp && has_flag(a, BIT_SYN),
	    ack = tcp && has_flag(a, BIT_ACK);

	e->initiator_high = syn && ack ? !a->from_high : a->from_high;
	e->initiator_known = syn;
	e->icmp_type = a->frame.headers.icmp_type;
	e->icmp_code = a->frame.headers.icmp_code;
}

static __always_inline void flows_zero(void *from, __u32 bytes)
{
	__u64 *words = from;

	for (__u32 i = 0; i < bytes / 8; i++)
		words[i] = 0;
}

/* Counters begin anew; the key stays. */
static __always_inline void flows_clear(struct flows_entry *e, const struct arrival *a)
{
	flows_zero(&e->start_ns, __builtin_offsetof(struct flows_entry, stats) -
					 __builtin_offsetof(struct flows_entry, start_ns));
	if (config.level >= FLOWS_STATS) {
		flows_zero(e->stats, __builtin_offsetof(struct flows_entry, full) -
					     __builtin_offsetof(struct flows_entry, stats));
		stats_begin(e, a);
	}
	if (config.level >= FLOWS_FULL)
		flows_zero(e->full, sizeof(e->full));
	e->start_ns = e->last_ns = a->now;
}

/* A cut by the active timeout: who began, what was sent up to where and what was closed go on. */
static __noinline void flows_next_segment(struct flows_entry *e, const struct arrival *a)
{
	__u32 segment = e->segment + 1, isn[2], high[2];
	__u8 initiator = e->initiator_high, known = e->initiator_known, tcp = e->tcp, type = e->icmp_type,
	     code = e->icmp_code, shown[2];
	__u64 closed = e->closed_ns;

#pragma unroll
	for (int i = 0; i < 2; i++) {
		isn[i] = e->sides[i].isn;
		high[i] = e->sides[i].high_sequence;
		shown[i] = e->sides[i].shown & (FLOWS_SHOWN_SYN | FLOWS_SHOWN_SEQUENCE);
	}
	flows_clear(e, a);
	e->segment = segment;
	e->initiator_high = initiator;
	e->initiator_known = known;
	e->tcp = tcp;
	e->icmp_type = type;
	e->icmp_code = code;
	e->closed_ns = closed;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		e->sides[i].isn = isn[i];
		e->sides[i].high_sequence = high[i];
		e->sides[i].shown = shown[i];
	}
}

/* Why the flow in the entry ends before this packet; 0 where the packet is still its own. */
static __always_inline __u32 flows_why_end(const struct flows_entry *e, const struct arrival *a)
{
	__u64 now = a->now;

	if (e->tcp & FLOWS_CLOSED) {
		const struct flows_side *side = &e->sides[(a->from_high ^ e->initiator_high) & 1];

		if (now > e->closed_ns + config.linger_ns)
			return FLOWS_ENDED;
		if (has_flag(a, BIT_SYN) && !has_flag(a, BIT_ACK) &&
		    (!(side->shown & FLOWS_SHOWN_SYN) || side->isn != a->frame.transport.sequence))
			return FLOWS_ENDED;
	}
	if (now > e->last_ns + config.idle_ns)
		return FLOWS_IDLE;
	if (now > e->start_ns + config.active_ns)
		return FLOWS_ACTIVE;
	return FLOWS_GOES_ON;
}

static __noinline void flows_end(struct flows_entry *e, const struct arrival *a, __u32 reason)
{
	struct flows_counters *count = flows_bank();
	struct ring_control *control;
	__u32 zero = 0;

	e->end = reason;
	e->ended_ns = a->now;
	control = bpf_map_lookup_elem(&flows_control, &zero);
	if (bpf_ringbuf_output(&flows_ring, e, entry_size(), ring_wake(control, config.wakeup)) && count)
		count->ended_lost += e->sides[0].packets + e->sides[1].packets;
}

static __always_inline void flows_add(struct held *held, struct arrival *a)
{
	struct flows_entry *e = held->entry;
	struct flows_side *side;
	__u32 reason = FLOWS_GOES_ON;

	if (!held->fresh) {
		reason = flows_why_end(e, a);
		if (reason)
			flows_end(e, a, reason);
	}
	if (reason == FLOWS_ACTIVE) {
		flows_next_segment(e, a);
	} else if (held->fresh || reason) {
		flows_clear(e, a);
		flows_initiate(e, a);
	}
	a->backward = (a->from_high ^ e->initiator_high) & 1;
	side = &e->sides[a->backward & 1];
	if (a->now < e->last_ns)
		e->late++;
	if (config.level >= FLOWS_FULL)
		full_update(e, side, side->last_us, a);
	if (config.level >= FLOWS_STATS)
		stats_update(e, side, a);
	update_side(side, a);
	if (a->now > e->last_ns)
		e->last_ns = a->now;
	e->hooks |= a->hook;
	if (config.tcp_close && a->key.protocol == PROTOCOL_TCP && a->frame.headers.transport_header)
		update_closing(e, a);
}

static __always_inline void flows_take(struct flows_counters *count, struct arrival *a, __u32 ifindex)
{
	struct held held = {};
	struct place place;
	__u32 packets = a->frame.segments;

	flows_key_of(a, ifindex);
	place = slots_place(&a->key);
	if (config.sample_below &&
	    (__u32)((place.hash * 0x9e3779b97f4a7c15ULL) >> 32) >= config.sample_below) {
		count->sampled_out += packets;
		return;
	}
	a->network_length = (__u32)a->frame.headers.network_header + a->frame.headers.transport_header;
	if (config.level >= FLOWS_STATS)
		a->now_us = a->now / 1000;
	if (!slots_find(&place, &a->key, &held))
		slots_insert(&place, &a->key, &held);
	if (held.timeout) {
		count->lock_timeout += packets;
		return;
	}
	if (held.full || !held.entry) {
		count->table_full += packets;
		return;
	}
	flows_add(&held, a);
	slots_unlock(held.bucket, held.slot);
}

static __always_inline void flows_see(struct arrival *a, int kind, __u32 ifindex)
{
	struct flows_counters *count = flows_bank();
	__u32 packets = a->frame.segments;

	if (!count)
		return;
	count->seen += packets;
	if (kind != FRAME_IP) {
		if (kind == FRAME_MALFORMED)
			count->malformed += packets;
		else
			count->passed_over += packets;
		others_add(&a->frame, kind == FRAME_MALFORMED);
		return;
	}
	if (filter_needs_headers(&filter) && !filter_headers(&filter, &a->frame.flow)) {
		count->filtered += packets;
		return;
	}
	flows_take(count, a, ifindex);
}

static __always_inline void flows_from_capture(struct arrival *a)
{
	const struct capture_frame *captured = capture_frame();

	if (!captured)
		return;
	a->now = captured->time_ns;
	a->frame.length = captured->length;
}

SEC("xdp.frags")
int flows_xdp(struct xdp_md *ctx)
{
	struct arrival a = {.hook = FLOWS_HOOK_XDP};
	int kind;

	if (!config.capture)
		a.now = bpf_ktime_get_ns();
	kind = frame_of_xdp(ctx, &a.frame, config.kernel_context);
	if (config.capture)
		flows_from_capture(&a);
	flows_see(&a, kind, config.capture ? 0 : ctx->ingress_ifindex);
	return config.verdict;
}

static __always_inline int flows_tc(struct __sk_buff *skb, __u8 hook)
{
	struct arrival a = {.hook = hook};
	int kind;

	a.now = bpf_ktime_get_ns();
	kind = frame_of_skb(skb, &a.frame);
	flows_see(&a, kind, skb->ifindex);
	return -1; /* TC_ACT_UNSPEC, TCX_NEXT: as if nobody had looked */
}

SEC("tc")
int flows_ingress(struct __sk_buff *skb)
{
	return flows_tc(skb, FLOWS_HOOK_INGRESS);
}

SEC("tc")
int flows_egress(struct __sk_buff *skb)
{
	return flows_tc(skb, FLOWS_HOOK_EGRESS);
}

char LICENSE[] SEC("license") = "GPL";
