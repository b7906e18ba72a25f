/* SPDX-License-Identifier: GPL-2.0 */
/* The receive queues of UDP sockets: which datagrams wait there. */
#ifndef PLUMB_LATENCY_UDP_QUEUE_BPF_H
#define PLUMB_LATENCY_UDP_QUEUE_BPF_H

#include "journey.bpf.h"
#include "sockets.bpf.h"

/* Keys of the datagrams with the numbers head to tail - 1. CPUs add and take at once: a place is empty (0)
 * until its number's key is there, and who takes the key goes on to the next. */
struct udp_socket {
	__u64 sk;
	__u32 head;
	__u32 tail;
	__u64 keys[LATENCY_QUEUED];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before load */
	__type(key, __u32);
	__type(value, struct udp_socket);
} latency_udp_sockets SEC(".maps");

enum udp_queue_const {
	UDP_SOCKET_WAYS = 4,
	UDP_QUEUE_SPARE = 4, /* places for CPUs that see room and take a number at once */
};

static __always_inline struct udp_socket *udp_socket_find(__u64 sk)
{
	return socket_find(&latency_udp_sockets, config.queues, UDP_SOCKET_WAYS, sk);
}

/* Nothing waits there: it is empty, or what it has was freed with its socket. */
static __always_inline int udp_socket_is_free(const struct udp_socket *queue)
{
	struct latency_journey *journey;

	if (!queue->sk || queue->head == queue->tail)
		return 1;
	journey = journey_find(queue->keys[queue->head % LATENCY_QUEUED]);
	return !journey || journey->sk != queue->sk;
}

/* A socket without datagrams that wait gives its place to another. */
static __always_inline struct udp_socket *udp_socket_make(__u64 sk)
{
	struct udp_socket *queue = udp_socket_find(sk);

	for (int way = 0; !queue && way < UDP_SOCKET_WAYS; way++) {
		struct udp_socket *other = socket_at(&latency_udp_sockets, config.queues, sk, way);
		__u64 before = other ? other->sk : 0;

		if (!other || !udp_socket_is_free(other) || !socket_claim(&other->sk, before, sk))
			continue;
		other->head = other->tail;
		queue = other;
	}
	return queue;
}

/* 0: there is no room. */
static __always_inline int udp_queue_put(__u64 sk, __u64 key)
{
	struct udp_socket *queue = udp_socket_make(sk);
	__u32 number;

	if (!queue || queue->tail - queue->head >= LATENCY_QUEUED - UDP_QUEUE_SPARE)
		return 0;
	number = __sync_fetch_and_add(&queue->tail, 1);
	queue->keys[number % LATENCY_QUEUED] = key;
	return 1;
}

#endif
