/* SPDX-License-Identifier: GPL-2.0 */
/* TCP sockets: packets lose their identity there, their sequence numbers remain. */
#ifndef PLUMB_LATENCY_TCP_SOCKET_BPF_H
#define PLUMB_LATENCY_TCP_SOCKET_BPF_H

#include "journey.bpf.h"
#include "sockets.bpf.h"

enum tcp_socket_const {
	TCP_SOCKET_WAYS = 2,
};

/* What a socket was told to send, and when. */
struct send {
	__u64 time;
	__u32 sequence;
	__u32 _pad;
};

/* The process that gave a socket all data since a sequence number. */
struct sender {
	__u32 pid; /* 0: none yet */
	__u32 since;
	__u8 comm[WIRE_COMM];
};

/* Packets in its receive queue have the numbers head to tail - 1; those before `readable` can be read. */
struct tcp_socket {
	__u64 sk;
	__u32 head;
	__u32 tail;
	__u32 readable;
	__u32 sends;
	__u64 filled; /* the packet that the last send call added to */
	__u32 place;  /* of the packet that came when nobody waited */
	__u32 _pad;
	struct send send[LATENCY_SENDS];
	struct sender sender;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before load */
	__type(key, __u32);
	__type(value, struct tcp_socket);
} latency_tcp_sockets SEC(".maps");

static __always_inline struct tcp_socket *tcp_socket_find(__u64 sk)
{
	return socket_find(&latency_tcp_sockets, config.sockets, TCP_SOCKET_WAYS, sk);
}

/* A socket at whose packets nobody waits gives its place to another. */
static __always_inline struct tcp_socket *tcp_socket_make(__u64 sk)
{
	struct tcp_socket *socket = tcp_socket_find(sk);

	if (socket)
		return socket;
	for (int way = 0; way < TCP_SOCKET_WAYS; way++) {
		struct tcp_socket *other = socket_at(&latency_tcp_sockets, config.sockets, sk, way);
		__u64 before = other ? other->sk : 0;

		if (!other || (before && other->head != other->tail) || !socket_claim(&other->sk, before, sk))
			continue;
		other->head = other->tail = other->readable = other->sends = 0;
		other->sender.pid = 0;
		return other;
	}
	return (void *)0;
}

static __always_inline int after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

#endif
