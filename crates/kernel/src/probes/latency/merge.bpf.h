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

#include "segments.bpf.h"
#include "tcp_queue.bpf.h"

/* Where to look for the next part. */
struct merged {
	__u64 sk;
	__u64 now;    /* when they came to it; 0: not known */
	__u64 cgroup; /* of the socket */
	__u32 uid;
	__u32 ports;
	__u32 next;
	__u8 flags; /* of journeys, as far as they are all parts' */
	__u8 filtered;
	__u16 _pad;
};

/* One that is parked goes on, unless it has just given way: no longer counted as lost. */
static __always_inline int merge_unpark(const struct latency_journey *journey, __u64 *key)
{
	struct latency_counters *count = counters();
	__u64 found = (*key & ~(__u64)KEY_KINDS) | KEY_FOUND;

	if (!count || !journey_rename(journey, *key, found))
		return 0;
	count_one(&count->found);
	*key = found;
	return 1;
}

/* The journey of a part, on its way still or parked. */
static __always_inline struct latency_journey *merge_find(const struct segment *segment, __u64 *key)
{
	struct latency_journey *journey;

	for (int parked = 0; parked < 2; parked++) {
		*key = parked ? parked_key(segment->ports, segment->sequence) : segment->key;
		journey = journey_find(*key);
		if (!journey || journey->sequence != segment->sequence || ports_of(journey) != segment->ports)
			continue;
		if (!parked || merge_unpark(journey, key))
			return journey;
	}
	return (void *)0;
}

/* One more part of what came to a socket; 0: it is not known. Global, and so verified once. */
__noinline int merge_next(struct tcp_socket *socket, struct merged *merged)
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
		if (merged->now)
			stamp_at(journey, LATENCY_SOCKET, merged->now);
		journey->flags |= merged->flags;
		if (config.owners) {
			journey->owner.cgroup = merged->cgroup;
			journey->owner.uid = merged->uid;
		}
		tcp_queue_put(journey, key, merged->sk);
	} else if (!merged->filtered && socket) {
		journey = tcp_queue_packet(socket, merged->sk, socket->tail - 1);
		if (journey)
			journey->end_sequence = segment->end;
	}
	merged->next = segment->end;
	return 1;
}

/* What the parts have in common; the first one that is looked for begins at `next`. */
static __always_inline void merge_begin(struct merged *merged, struct sock *sk, __u32 ports, __u32 next)
{
	merged->sk = address_of(sk);
	merged->ports = ports;
	merged->next = next;
	if (config.owners & OWNER_SOCKET && socket_is_full(sk)) {
		merged->cgroup = socket_cgroup(sk);
		merged->uid = socket_uid(sk);
		merged->flags = JOURNEY_HAS_SOCKET;
	}
	merged->filtered = config.owned && !owner_is_asked_for(merged->flags, merged->uid, merged->cgroup);
}

/* Parts up to `end`, as far as they are known. */
static __always_inline void merge_known(struct tcp_socket *socket, struct merged *merged, __u32 end)
{
	for (int i = 0; i < LATENCY_PARTS; i++)
		if (!after(end, merged->next) || !merge_next(socket, merged))
			break;
}

/* The data of what came to the socket, last of those that wait there, goes on to `end`. */
static __always_inline void merge_parts(struct merged *merged, __u32 end)
{
	struct tcp_socket *socket = tcp_socket_find(merged->sk);
	struct latency_journey *journey;

	if (!socket && !merged->filtered)
		return;
	merge_known(socket, merged, end);
	if (merged->next == end || merged->filtered || !socket)
		return;
	/* The rest is not known: the last one that is has all of it. */
	journey = tcp_queue_packet(socket, merged->sk, socket->tail - 1);
	if (journey)
		journey->end_sequence = end;
}

#endif
