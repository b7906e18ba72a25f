/* SPDX-License-Identifier: GPL-2.0 */
/* The receive queue of a TCP socket: packets that wait there until their data can be read, and is. */
#ifndef PLUMB_LATENCY_TCP_QUEUE_BPF_H
#define PLUMB_LATENCY_TCP_QUEUE_BPF_H

#include "tcp_socket.bpf.h"

/* The packet with this number. */
static __always_inline struct latency_journey *tcp_queue_packet(const struct tcp_socket *socket, __u64 sk,
								__u32 number)
{
	__u64 key = waiting_key(sk, number), *first = key_at(socket->place);

	if (first && *first == key)
		return journey_at(socket->place);
	return journey_find(key);
}

/* From its address to its socket's queue: what is its journey from now on; null where that was the end of it.
 * Who comes when nobody waits stays at its place, because its address is no other's as long as it waits: only
 * what is behind it can be merged into it. */
static __always_inline struct latency_journey *tcp_queue_put(struct latency_journey *journey, __u64 key,
							     __u64 sk)
{
	struct tcp_socket *socket = tcp_socket_make(sk);
	struct latency_journey *there;

	if (!socket || socket->tail - socket->head >= WAITING_NUMBERS) {
		journey_end(journey, key, LATENCY_NO_ROOM);
		return (void *)0;
	}
	if (socket->head == socket->tail) {
		socket->place = journey->place;
		there = journey_rename(journey, key, waiting_key(sk, socket->tail)) ? journey : (void *)0;
	} else {
		there = journey_move(journey, key, waiting_key(sk, socket->tail));
	}
	if (there)
		socket->tail++;
	else
		journey_end(journey, key, LATENCY_NO_ROOM);
	return there;
}

static __always_inline struct latency_journey *tcp_queue_add(struct latency_journey *journey, __u64 key,
							     struct sock *sk)
{
	owner_socket(journey, sk);
	if (config.owned && !owner_socket_passes(journey)) {
		journey_end(journey, key, LATENCY_FILTERED);
		return (void *)0;
	}
	return tcp_queue_put(journey, key, address_of(sk));
}

/* What can be read by now. */
struct ready {
	__u64 sk;
	__u64 now;
	__u32 received; /* data up to this can */
	__u32 number;	/* of the packet that is looked at */
	__u32 all;	/* those before it can */
	__u32 _pad;
};

/* One packet. Global, and so verified once. */
__noinline int tcp_queue_ready(struct tcp_socket *socket, struct ready *ready)
{
	struct latency_journey *journey;

	if (!socket || !ready)
		return 0;
	journey = tcp_queue_packet(socket, ready->sk, ready->number);
	if (journey && after(journey->end_sequence, ready->received)) {
		ready->all = 0;
	} else if (journey && last_hook(journey) < LATENCY_READABLE) {
		if (journey->flags & JOURNEY_OUT_OF_ORDER)
			stamp_at(journey, LATENCY_IN_ORDER, ready->now);
		stamp_at(journey, LATENCY_READABLE, ready->now);
		journey->sk = ready->sk;
	}
	ready->number++;
	if (ready->all)
		socket->readable = ready->number;
	return 0;
}

/* Data up to `received` can be read. */
static __always_inline void tcp_queue_readable(struct tcp_socket *socket, __u64 sk, __u32 received, __u64 now)
{
	struct ready ready = {
		.sk = sk,
		.now = now,
		.received = received,
		.number = socket->readable,
		.all = 1,
	};

	for (int i = 0; i < LATENCY_READY && ready.number != socket->tail; i++)
		tcp_queue_ready(socket, &ready);
}

#endif
