/* SPDX-License-Identifier: GPL-2.0 */
/* TCP sockets: packets lose their identity there, their sequence numbers remain. */
#ifndef PLUMB_LATENCY_SOCKET_BPF_H
#define PLUMB_LATENCY_SOCKET_BPF_H

#include "journey.bpf.h"

/* What a socket was told to send, and when. */
struct send {
	__u64 time;
	__u32 sequence;
	__u32 _pad;
};

/* Packets that wait at a socket have the numbers head to tail - 1; those before `readable` can be read. */
struct waiting {
	__u64 sk;
	__u32 head;
	__u32 tail;
	__u32 readable;
	__u32 sends;
	struct send send[LATENCY_SENDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LATENCY_SOCKETS);
	__type(key, __u32);
	__type(value, struct waiting);
} latency_sockets SEC(".maps");

static __always_inline struct waiting *waiting_at(__u64 sk, __u32 way)
{
	__u32 place = ((__u32)(table_mix(sk, 0) >> 32) ^ way) & (LATENCY_SOCKETS - 1);

	return bpf_map_lookup_elem(&latency_sockets, &place);
}

static __always_inline struct waiting *waiting_find(__u64 sk)
{
	struct waiting *waiting = waiting_at(sk, 0);

	if (waiting && waiting->sk == sk)
		return waiting;
	waiting = waiting_at(sk, 1);
	return waiting && waiting->sk == sk ? waiting : (void *)0;
}

/* A socket at whose packets nobody waits gives its place to another. */
static __always_inline int waiting_take(struct waiting *waiting, __u64 sk)
{
	__u64 before;

	if (!waiting)
		return 0;
	before = waiting->sk;
	if (before && waiting->head != waiting->tail)
		return 0;
	if (__sync_val_compare_and_swap(&waiting->sk, before, sk) != before)
		return 0;
	waiting->head = waiting->tail = waiting->readable = waiting->sends = 0;
	return 1;
}

static __always_inline struct waiting *waiting_make(__u64 sk)
{
	struct waiting *waiting = waiting_find(sk);

	if (waiting)
		return waiting;
	waiting = waiting_at(sk, 0);
	if (waiting_take(waiting, sk))
		return waiting;
	waiting = waiting_at(sk, 1);
	return waiting_take(waiting, sk) ? waiting : (void *)0;
}

static __always_inline int after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* From its address to its socket's queue: what is its journey from now on; null where that was the end of it.
 */
static __always_inline struct latency_journey *waiting_add(struct latency_journey *journey, __u64 key,
							   __u64 sk)
{
	struct waiting *waiting = waiting_make(sk);
	struct latency_journey *there = (void *)0;

	/* Numbers begin anew where nobody waits: their journeys' places are then in the caches still. Not for
	 * UDP, whose readers do not hold the socket. */
	if (waiting && waiting->head == waiting->tail && journey->flow.protocol == PROTOCOL_TCP)
		waiting->head = waiting->tail = waiting->readable = 0;
	if (waiting)
		there = journey_claim(waiting_key(sk, waiting->tail));
	if (!waiting || !there) {
		journey_end(journey, key, LATENCY_NO_ROOM);
		return (void *)0;
	}
	/* All but the key. */
	__builtin_memcpy(&there->id, &journey->id, sizeof(*there) - sizeof(there->key));
	waiting->tail++;
	journey->key = 0;
	return there;
}

/* Data up to `received` can be read. */
static __always_inline void waiting_readable(struct waiting *waiting, __u64 sk, __u32 received, __u64 now)
{
	__u32 number = waiting->readable, first = 1;

	for (int i = 0; i < LATENCY_SCAN; i++, number++) {
		struct latency_journey *journey;

		if (number == waiting->tail)
			break;
		journey = journey_find(waiting_key(sk, number));
		if (journey && after(journey->end_sequence, received)) {
			first = 0;
			continue;
		}
		if (journey && last_hook(journey) < LATENCY_READABLE) {
			if (journey->flags & JOURNEY_OUT_OF_ORDER)
				stamp_at(journey, LATENCY_IN_ORDER, now);
			stamp_at(journey, LATENCY_READABLE, now);
			journey->sk = sk;
		}
		if (first)
			waiting->readable = number + 1;
	}
}

static __always_inline void send_note(__u64 sk, __u32 sequence)
{
	struct waiting *waiting = waiting_make(sk);
	__u32 last;

	if (!waiting)
		return;
	last = (waiting->sends - 1) & (LATENCY_SENDS - 1);
	if (waiting->sends && waiting->send[last].sequence == sequence)
		return;
	last = waiting->sends & (LATENCY_SENDS - 1);
	waiting->send[last].sequence = sequence;
	waiting->send[last].time = bpf_ktime_get_ns();
	waiting->sends++;
}

/* When the data at this sequence number was given to the socket; 0 where that is not known any more. */
static __always_inline __u64 send_time(__u64 sk, __u32 sequence)
{
	struct waiting *waiting = waiting_find(sk);
	__u32 number;

	if (!waiting)
		return 0;
	number = waiting->sends;
	for (int i = 0; i < LATENCY_SENDS; i++) {
		struct send *send;

		if (!number)
			break;
		send = &waiting->send[--number & (LATENCY_SENDS - 1)];
		if (!after(send->sequence, sequence))
			return send->time;
	}
	return 0;
}

#endif
