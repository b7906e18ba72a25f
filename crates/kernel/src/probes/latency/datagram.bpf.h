/* SPDX-License-Identifier: GPL-2.0 */
/* UDP sockets: datagrams keep their address until they are freed or read, and their socket remembers which
 * ones wait, because the one that reads may free them without a tracepoint (skb_attempt_defer_free). */
#ifndef PLUMB_LATENCY_DATAGRAM_BPF_H
#define PLUMB_LATENCY_DATAGRAM_BPF_H

#include "reader.bpf.h"
#include "udp_queue.bpf.h"
#include "udp_split.bpf.h"

/* One that a socket's queue has got; 0: it is not known, or was found by another CPU. */
static __always_inline int datagram_readable(struct sock *sk, __u64 key, __u64 now)
{
	struct latency_journey *journey = journey_find(key);

	if (!journey || journey->flow.protocol != PROTOCOL_UDP ||
	    __sync_val_compare_and_swap(&journey->sk, 0, address_of(sk)))
		return 0;
	stamp_at(journey, LATENCY_READABLE, now);
	owner_socket(journey, sk);
	if (config.owned && !owner_socket_passes(journey))
		journey_end(journey, key, LATENCY_FILTERED);
	else if (config.recv_length && !udp_queue_put(address_of(sk), key))
		journey_end(journey, key, LATENCY_NO_ROOM);
	return 1;
}

/* Whether a datagram is still in a queue, of those of its socket: on a list its successor knows it, on the
 * way to be freed (skb_attempt_defer_free) nobody does. */
static __always_inline int datagram_waits(__u64 address)
{
	struct sk_buff *skb = (void *)address;

	return (__u64)BPF_CORE_READ(skb, next, prev) == address;
}

/* The one that runs has read it. */
static __always_inline void datagram_read(struct latency_journey *journey, __u64 key, __u64 now)
{
	if (!journey_take(journey, key))
		return;
	if (last_hook(journey) == LATENCY_COPIED)
		journey->count--;
	reader_stamp(journey);
	owner_runs(journey);
	stamp_at(journey, LATENCY_COPIED, now);
	journey_conclude(journey, LATENCY_DELIVERED, 0);
}

/* What a CPU had begun with is read on another one before the socket's readers are told. */
static __always_inline void datagram_read_early(struct sock *sk, __u64 received, __u64 now)
{
	__u64 key = packet_key(received, KEY_RX);
	struct latency_journey *journey = journey_find(key);

	if (!journey || journey->flow.protocol != PROTOCOL_UDP || last_hook(journey) < LATENCY_RECEIVE ||
	    journey->flow.dst_port != sk->__sk_common.skc_num || journey->sk ||
	    datagram_waits(received + origin_address()) || !journey_take(journey, key))
		return;
	owner_socket(journey, sk);
	stamp_at(journey, LATENCY_READABLE, now);
	stamp_at(journey, LATENCY_COPIED, now);
	journey_conclude(journey, LATENCY_DELIVERED, 0);
}

/* Datagrams that were just added to a socket's queue: the last one, and those before it that came with it. */
static __always_inline void datagrams_readable(struct sock *sk, __u64 now)
{
	struct sk_buff *skb = sk->sk_receive_queue.prev;
	struct latency_cpu *cpu = this_cpu();
	__u64 last = address_of(skb);

	if (!cpu)
		return;
	if (cpu->datagrams)
		udp_split_readable(cpu, last);
	for (int i = 0; i < 8; i++) {
		if (!datagram_readable(sk, packet_key(address_of(skb), KEY_RX), now))
			break;
		skb = skb->prev;
	}
	if (config.recv_length && last != cpu->received)
		datagram_read_early(sk, cpu->received, now);
}

/* It is freed, perhaps by another CPU before its reader comes to the end of recvmsg: who that is, is known
 * there. Else whoever has its address next ends it. */
static __always_inline void datagram_freed(struct latency_journey *journey, __u64 key)
{
	if (!config.recv_length || !journey->sk) {
		datagram_read(journey, key, bpf_ktime_get_ns());
	} else if (journey_take(journey, key)) {
		stamp(journey, LATENCY_COPIED);
		journey_release(journey, key);
	}
}

/* recvmsg is done: the datagrams that are no longer queued were read. */
static __always_inline int datagrams_read(struct sock *sk, int length, int flags)
{
	__u64 now, start, socket = address_of(sk);
	struct udp_socket *queue;

	if (length < 0 || flags & 2 /* MSG_PEEK */ || sk->sk_protocol != PROTOCOL_UDP)
		return 0;
	queue = udp_socket_find(socket);
	if (!queue || queue->head == queue->tail)
		return 0;
	now = bpf_ktime_get_ns();
	start = origin_address();
	for (int i = 0; i < LATENCY_READS; i++) {
		__u32 head = queue->head;
		__u64 key = queue->keys[head % LATENCY_QUEUED];
		struct latency_journey *journey;

		if (!key)
			break;
		journey = journey_find(key);
		if (journey && journey->sk == socket && datagram_waits((key & ~(__u64)KEY_KINDS) + start))
			break;
		if (__sync_val_compare_and_swap(&queue->keys[head % LATENCY_QUEUED], key, 0) != key)
			break;
		queue->head = head + 1;
		if (journey && journey->sk == socket)
			datagram_read(journey, key, now);
	}
	return 0;
}

/* Before 6.3: a datagram is copied, perhaps only looked at. Its end is when it is consumed. */
static __always_inline int datagram_copied(struct latency_journey *journey)
{
	if (journey->flow.protocol == PROTOCOL_UDP && !config.recv_length &&
	    last_hook(journey) < LATENCY_WOKEN) {
		reader_stamp(journey);
		owner_runs(journey);
		stamp(journey, LATENCY_COPIED);
	}
	return 0;
}

/* Freed as dropped: what its socket had got was never read, where no other reason is given. */
static __always_inline enum latency_outcome datagram_dropped(const struct latency_journey *journey,
							     __u32 reason)
{
	__u32 purged = bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED);

	if (journey->flow.protocol != PROTOCOL_UDP || last_hook(journey) != LATENCY_READABLE)
		return LATENCY_DROPPED;
	if (reason != purged && bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_QUEUE_PURGE))
		purged = bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_QUEUE_PURGE);
	return reason == purged ? LATENCY_UNREAD : LATENCY_DROPPED;
}

#endif
