/* SPDX-License-Identifier: GPL-2.0 */
/* TCP packets that were merged into one before their socket: what follows on a packet's data is found by its
 * sequence number.
 *
 * Of packets that GRO merged the journey has ended, and their data is that of the packet they are in. Packets
 * that wait for a socket's owner are merged too (tcp_add_backlog in net/ipv4/tcp_ipv4.c), without a
 * tracepoint: they go on to the socket as packets of their own, as those do that are merged there later.
 * Their addresses are others' long before, so that meanwhile they are parked, and counted as lost until
 * found. */
#ifndef PLUMB_LATENCY_MERGE_BPF_H
#define PLUMB_LATENCY_MERGE_BPF_H

#include "socket.bpf.h"

/* A received packet, by its ports and where its data begins. */
struct segment {
	__u64 key;
	__u32 ports;
	__u32 sequence;
	__u32 end;
	__u32 _pad;
};

/* The latest ones that have the same place. */
struct segments {
	struct segment segment[LATENCY_WAYS];
	__u32 noted;
	__u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* as many as there are buckets of keys; set before load */
	__type(key, __u32);
	__type(value, struct segments);
} latency_segments SEC(".maps");

static __always_inline struct segments *segments_at(__u32 ports, __u32 sequence)
{
	__u32 place = (__u32)(data_hash(ports, sequence) >> 32) & config.mask;

	return bpf_map_lookup_elem(&latency_segments, &place);
}

static __always_inline void segment_note(const struct latency_journey *journey, __u64 key)
{
	struct segments *segments = segments_at(ports_of(journey), journey->sequence);
	struct segment *segment;

	if (!segments)
		return;
	segment = &segments->segment[segments->noted++ % LATENCY_WAYS];
	segment->key = key;
	segment->ports = ports_of(journey);
	segment->sequence = journey->sequence;
	segment->end = journey->end_sequence;
}

/* Of one that was sent twice, the first that is found. */
static __always_inline struct segment *segment_find(__u32 ports, __u32 sequence)
{
	struct segments *segments = segments_at(ports, sequence);

	if (!segments)
		return (void *)0;
	for (int way = 0; way < LATENCY_WAYS; way++) {
		struct segment *segment = &segments->segment[way];

		if (segment->sequence == sequence && segment->ports == ports)
			return segment;
	}
	return (void *)0;
}

/* Where to look for the next part. */
struct merged {
	__u64 sk;
	__u64 now;
	__u64 cgroup; /* of the socket, as of the first part's journey */
	__u32 uid;
	__u32 ports;
	__u32 next;
	__u8 flags; /* of the first part's journey, as far as they are all parts' */
	__u8 filtered;
	__u16 _pad;
};

/* The journey of a part, on its way still or parked. */
static __always_inline struct latency_journey *merge_find(const struct segment *segment, __u64 *key)
{
	struct latency_counters *count = counters();
	struct latency_journey *journey;

	for (int parked = 0; parked < 2; parked++) {
		*key = parked ? parked_key(segment->ports, segment->sequence) : segment->key;
		journey = journey_find(*key);
		if (!journey || journey->sequence != segment->sequence || ports_of(journey) != segment->ports)
			continue;
		if (parked && count)
			count->found++;
		return journey;
	}
	return (void *)0;
}

/* One more part of what came to a socket; 0: it is not known. Global, and so verified once. */
__noinline int merge_next(struct waiting *waiting, struct merged *merged)
{
	struct latency_journey *journey;
	struct segment *segment;
	__u64 key;

	if (!merged)
		return 0;
	segment = segment_find(merged->ports, merged->next);
	if (!segment)
		return 0;
	journey = merge_find(segment, &key);
	if (journey && merged->filtered) {
		journey_end(journey, key, LATENCY_FILTERED);
	} else if (journey) {
		stamp_at(journey, LATENCY_SOCKET, merged->now);
		journey->flags |= merged->flags;
		if (config.owners) {
			journey->owner.cgroup = merged->cgroup;
			journey->owner.uid = merged->uid;
		}
		waiting_put(journey, key, merged->sk);
	} else if (!merged->filtered && waiting) {
		journey = waiting_at_number(waiting, merged->sk, waiting->tail - 1);
		if (journey)
			journey->end_sequence = segment->end;
	}
	merged->next = segment->end;
	return 1;
}

/* What the parts have in common with the first one, whose journey may end then. */
static __always_inline void merge_begin(struct merged *merged, struct latency_journey *journey,
					struct sock *sk)
{
	owner_socket(journey, sk);
	merged->filtered = config.owned && !owner_socket_passes(journey);
	merged->sk = address_of(sk);
	merged->now = bpf_ktime_get_ns();
	merged->ports = ports_of(journey);
	merged->next = journey->end_sequence;
	merged->flags = journey->flags & (JOURNEY_OUT_OF_ORDER | JOURNEY_HAS_SOCKET);
	if (config.owners) {
		merged->cgroup = journey->owner.cgroup;
		merged->uid = journey->owner.uid;
	}
}

/* The data of what came to the socket, last of those that wait there, goes on to `end`. */
static __always_inline void merge_parts(struct merged *merged, __u32 end)
{
	struct waiting *waiting = waiting_find(merged->sk);
	struct latency_journey *journey;

	if (!waiting && !merged->filtered)
		return;
	for (int i = 0; i < LATENCY_PARTS; i++)
		if (!after(end, merged->next) || !merge_next(waiting, merged))
			break;
	if (merged->next == end || merged->filtered || !waiting)
		return;
	/* The rest is not known: the last one that is has all of it. */
	journey = waiting_at_number(waiting, merged->sk, waiting->tail - 1);
	if (journey)
		journey->end_sequence = end;
}

#endif
