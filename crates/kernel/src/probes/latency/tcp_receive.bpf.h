/* SPDX-License-Identifier: GPL-2.0 */
/* TCP packets at their socket, until the application has their data. */
#ifndef PLUMB_LATENCY_TCP_RECEIVE_BPF_H
#define PLUMB_LATENCY_TCP_RECEIVE_BPF_H

#include "merge.bpf.h"
#include "reader.bpf.h"
#include "tcp_states.bpf.h"

/* Where the data of a TCP packet ends, to which others' may have been added. A FIN has a number and no
 * data; the flags have been 16 bits since 6.14. */
static __always_inline __u32 data_end(struct sk_buff *skb)
{
	__u64 end = bpf_core_field_offset(struct tcp_skb_cb, end_seq);
	__u64 flags = bpf_core_field_offset(struct tcp_skb_cb, tcp_flags);
	const char *cb = skb->cb;

	/* Else clang makes loads of them that libbpf resizes. */
	barrier_var(end);
	barrier_var(flags);
	if (bpf_core_field_size(struct tcp_skb_cb, tcp_flags) == 2)
		return *(__u32 *)(cb + end) - (*(__u16 *)(cb + flags) & TCP_FIN);
	return *(__u32 *)(cb + end) - (cb[flags] & TCP_FIN);
}

static __always_inline int tcp_arrives(struct sock *sk, struct sk_buff *skb)
{
	__u64 key = packet_key(address_of(skb), KEY_RX);
	struct latency_journey *journey = journey_find(key);
	struct merged merged = {};
	struct tcp_sock *tcp;
	__u32 end;

	if (!journey)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	stamp(journey, LATENCY_SOCKET);
	/* What begins beyond what was received waits for a hole. */
	if (after(journey->sequence, tcp->rcv_nxt))
		journey->flags |= JOURNEY_OUT_OF_ORDER;
	end = data_end(skb);
	if (journey->end_sequence != end) {
		merge_begin(&merged, sk, ports_of(journey), journey->end_sequence);
		merged.flags |= journey->flags & JOURNEY_OUT_OF_ORDER;
		merged.now = last_time(journey);
	}
	journey = tcp_queue_add(journey, key, sk);
	if (journey)
		journey->skb = address_of(skb);
	if (merged.sk && (journey || merged.filtered))
		merge_parts(&merged, end);
	return 0;
}

/* TCP's slow path has a packet, the one that came to its socket last. */
static __always_inline int tcp_slowly(__u64 sk, __u64 skb)
{
	struct tcp_socket *socket = tcp_socket_find(sk);
	struct latency_journey *journey;

	if (!socket || socket->head == socket->tail)
		return 0;
	journey = tcp_queue_packet(socket, sk, socket->tail - 1);
	if (journey && journey->skb == skb && last_hook(journey) == LATENCY_SOCKET)
		stamp(journey, LATENCY_DATA_QUEUE);
	return 0;
}

static __always_inline void tcp_readable(struct sock *sk, __u64 now)
{
	struct tcp_socket *socket = tcp_socket_find(address_of(sk));
	int unprobed = tcp_is_unprobed(sk);
	struct tcp_sock *tcp = socket || unprobed ? bpf_skc_to_tcp_sock(sk) : (void *)0;

	if (!tcp)
		return;
	if (unprobed)
		tcp_find_unprobed(sk, tcp, socket);
	if (!socket)
		socket = tcp_socket_find(address_of(sk));
	if (!socket)
		return;
	tcp_queue_readable(socket, address_of(sk), tcp->rcv_nxt, now);
	reader_open(address_of(sk), now);
}

/* TCP data up to copied_seq is with the application. */
static __always_inline int tcp_read(struct sock *sk)
{
	struct tcp_socket *socket = tcp_socket_find(address_of(sk));
	struct tcp_sock *tcp;
	__u32 number, first = 1;
	__u64 now;

	if (!socket || socket->head == socket->tail)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	now = bpf_ktime_get_ns();
	number = socket->head;
	for (int i = 0; i < LATENCY_SCAN; i++, number++) {
		__u64 key = waiting_key(address_of(sk), number);
		struct latency_journey *journey;

		if (number == socket->tail)
			break;
		journey = tcp_queue_packet(socket, address_of(sk), number);
		if (journey && after(journey->end_sequence, tcp->copied_seq)) {
			first = 0;
			continue;
		}
		if (journey) {
			reader_stamp(journey);
			owner_runs(journey);
			stamp_at(journey, LATENCY_COPIED, now);
			journey_end(journey, key, LATENCY_DELIVERED);
		}
		if (first)
			socket->head = number + 1;
	}
	return 0;
}

/* Global, and so verified once instead of for each packet. */
__noinline int tcp_unread(struct tcp_socket *socket)
{
	struct latency_journey *journey;

	if (!socket)
		return 0;
	journey = tcp_queue_packet(socket, socket->sk, socket->head);
	if (journey)
		journey_end(journey, waiting_key(socket->sk, socket->head), LATENCY_UNREAD);
	socket->head++;
	return 0;
}

/* The socket is gone: what waits is read by nobody. */
static __always_inline int tcp_closed(struct sock *sk)
{
	struct tcp_socket *socket = tcp_socket_find(address_of(sk));

	if (!socket)
		return 0;
	for (int i = 0; i < LATENCY_CLOSED; i++) {
		if (socket->head == socket->tail)
			break;
		tcp_unread(socket);
	}
	socket->head = socket->tail;
	socket->sk = 0;
	return 0;
}

#endif
