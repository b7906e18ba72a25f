/* SPDX-License-Identifier: GPL-2.0 */
/* A packet's way: taken up, stamped, ended. Times are counted at the end, so that only what is known of a
 * whole journey counts, and a hook does no more than find the packet and note the time. */
#ifndef PLUMB_LATENCY_JOURNEY_BPF_H
#define PLUMB_LATENCY_JOURNEY_BPF_H

#include "keys.bpf.h"
#include "owner.bpf.h"
#include "parse.bpf.h"
#include "stages.bpf.h"

static __always_inline void stamp_at(struct latency_journey *journey, enum latency_hook hook, __u64 time)
{
	__u32 at = journey->count;

	if (at >= LATENCY_STAMPS) {
		journey->flags |= JOURNEY_FULL;
		return;
	}
	/* Else clang finds the mask useless, and the verifier does not see why. */
	barrier_var(at);
	journey->stamps[at & (LATENCY_STAMPS - 1)] = (__u64)hook << LATENCY_HOOK_SHIFT | (time & STAMP_TIME);
	journey->count = at + 1;
}

static __always_inline void stamp(struct latency_journey *journey, enum latency_hook hook)
{
	stamp_at(journey, hook, bpf_ktime_get_ns());
}

/* As a number; 0: none. */
static __always_inline __u64 socket_of(struct sk_buff *skb)
{
	return skb->sk ? address_of(skb->sk) : 0;
}

static __always_inline enum latency_hook last_hook(const struct latency_journey *journey)
{
	__u32 at = journey->count - 1;

	return journey->stamps[at & (LATENCY_STAMPS - 1)] >> LATENCY_HOOK_SHIFT;
}

static __always_inline __u64 last_time(const struct latency_journey *journey)
{
	__u32 at = journey->count - 1;

	return journey->stamps[at & (LATENCY_STAMPS - 1)] & STAMP_TIME;
}

/* Counts the stages of a journey, and the whole of it from hook 0 to hook 0. */
__noinline int journey_count(struct latency_journey *journey)
{
	struct latency_counters *count = counters();
	struct latency_stages *group = (void *)0;
	__u64 first, last;
	__u32 stamps;
	int whole;

	if (!journey || !count)
		return 0;
	stamps = journey->count;
	if (stamps < 2 || stamps > LATENCY_STAMPS)
		return 0;
	first = journey->stamps[0] & STAMP_TIME;
	last = journey->stamps[(stamps - 1) & (LATENCY_STAMPS - 1)] & STAMP_TIME;
	if (config.keys)
		group = group_of(journey);
	/* The whole way first: a packet that has no room there is in no group. */
	if (group && !stage_times(group, journey->direction, 0, 0))
		group = (void *)0;
	if (config.keys && !group)
		count_one(&count->ungrouped);
	whole = stage_add(group, journey->direction, first, last);
	for (__u32 i = 1; i < LATENCY_STAMPS; i++) {
		if (i >= stamps)
			break;
		whole &= stage_add(group, journey->direction, journey->stamps[i - 1], journey->stamps[i]);
	}
	if (!whole)
		count_one(&count->no_stage);
	return 0;
}

static __always_inline __u64 journey_time(const struct latency_journey *journey)
{
	return last_time(journey) - (journey->stamps[0] & STAMP_TIME);
}

/* A record of the whole way. */
__noinline int journey_stream(struct latency_journey *journey, __u32 outcome, __u32 reason)
{
	struct latency_counters *count = counters();
	struct ring_control *control;
	struct latency_event *event;
	__u32 zero = 0;

	if (!journey || !count)
		return 0;
	if (config.slower_ns && journey_time(journey) < config.slower_ns) {
		count_one(&count->faster);
		return 0;
	}
	event = bpf_ringbuf_reserve(&latency_ring, sizeof(*event), 0);
	if (!event) {
		count_one(&count->lost_ring);
		return 0;
	}
	__builtin_memcpy(&event->journey, journey, sizeof(*journey));
	event->outcome = outcome;
	event->reason = reason;
	control = bpf_map_lookup_elem(&latency_wake, &zero);
	ring_submit(event, control, config.wakeup);
	count_one(&count->emitted);
	return 0;
}

/* Times of a journey that two CPUs have written to at once may run backwards. */
static __always_inline int journey_in_order(const struct latency_journey *journey)
{
	__u32 stamps = journey->count;
	__u64 before = 0;

	for (__u32 i = 0; i < LATENCY_STAMPS; i++) {
		if (i >= stamps)
			break;
		if ((journey->stamps[i] & STAMP_TIME) < before)
			return 0;
		before = journey->stamps[i] & STAMP_TIME;
	}
	return 1;
}

/* Two CPUs may end it at once, or move it: one of them does. */
static __always_inline int journey_take(const struct latency_journey *journey, __u64 key)
{
	return journey_rename(journey, key, KEY_ENDING);
}

/* Counts what was taken, and gives its place back. */
static __always_inline void journey_conclude(struct latency_journey *journey, enum latency_outcome outcome,
					     __u32 reason)
{
	struct latency_counters *count = counters();

	if (!count)
		return;
	if (config.owned && outcome <= LATENCY_UNREAD && !owner_passes(journey))
		outcome = LATENCY_FILTERED;
	else if (journey->flags & JOURNEY_FULL)
		outcome = LATENCY_NO_ROOM; /* its stages are not known to the end */
	else if (!journey_in_order(journey))
		outcome = LATENCY_STRAYED;
	if (config.events && outcome <= LATENCY_UNREAD)
		journey_stream(journey, outcome, reason);
	else if (outcome <= LATENCY_FORWARDED)
		journey_count(journey);
	count_one(&count->outcomes[outcome]);
	journey_release(journey, 0);
}

static __always_inline void journey_end_because(struct latency_journey *journey, __u64 key,
						enum latency_outcome outcome, __u32 reason)
{
	if (journey_take(journey, key))
		journey_conclude(journey, outcome, reason);
}

static __always_inline void journey_end(struct latency_journey *journey, __u64 key,
					enum latency_outcome outcome)
{
	journey_end_because(journey, key, outcome, 0);
}

/* What has become of a packet that a driver took. */
static __always_inline enum latency_outcome sent_outcome(const struct latency_journey *journey)
{
	return journey->direction == LATENCY_FORWARD ? LATENCY_FORWARDED : LATENCY_TRANSMITTED;
}

static __always_inline __u32 ports_of(const struct latency_journey *journey)
{
	return (__u32)journey->flow.src_port << 16 | journey->flow.dst_port;
}

/* Of TCP data by its ports and where it begins. */
static __always_inline __u64 data_hash(__u32 ports, __u32 sequence)
{
	return table_mix((__u64)ports << 32 | sequence, 0);
}

static __always_inline __u64 parked_key(__u32 ports, __u32 sequence)
{
	return (data_hash(ports, sequence) & ~(__u64)KEY_KINDS) | KEY_PARKED;
}

/* A packet that was on its way with this address got away unseen. */
static __always_inline void journey_lost(struct latency_journey *journey, __u64 key)
{
	struct latency_counters *count = counters();
	enum latency_hook last = last_hook(journey);

	if (!count)
		return;
	/* The driver had it: that the device was done with it is all that was missing. */
	if (last == LATENCY_FROM_DRIVER) {
		journey_end(journey, key, sent_outcome(journey));
		return;
	}
	if (last == LATENCY_COPIED) {
		journey_end(journey, key, LATENCY_DELIVERED);
		return;
	}
	/* Perhaps it was merged into another one, which is not at their socket yet: see merge.bpf.h. */
	if (journey->direction == LATENCY_RX && journey->flow.protocol == PROTOCOL_TCP &&
	    last >= LATENCY_RECEIVE && last < LATENCY_SOCKET &&
	    journey_move(journey, key, parked_key(ports_of(journey), journey->sequence)))
		count_one(&count->parked);
	else
		journey_end(journey, key, LATENCY_STRAYED);
}

static __always_inline void journey_stray(const struct bucket *bucket, __u64 key)
{
	struct latency_journey *journey = journey_in(bucket, key);

	if (journey)
		journey_lost(journey, key);
}

static __always_inline void journey_stray_at(__u64 key)
{
	struct latency_journey *journey = journey_find(key);

	if (journey)
		journey_lost(journey, key);
}

#endif
