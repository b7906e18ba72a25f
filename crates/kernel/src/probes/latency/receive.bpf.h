/* SPDX-License-Identifier: GPL-2.0 */
/* Received packets, from the driver to the reader. */
#ifndef PLUMB_LATENCY_RECEIVE_BPF_H
#define PLUMB_LATENCY_RECEIVE_BPF_H

#include "datagram.bpf.h"
#include "fragment.bpf.h"
#include "merge.bpf.h"
#include "packet.bpf.h"
#include "softirq.bpf.h"

/* Out of a veth's one end is into its other: what is sent is a journey of its own, whose end may still come.
 * When the driver had it; 0: it was not sent from here. */
static __always_inline __u64 receive_crossed(const struct bucket *bucket, __u64 key)
{
	struct latency_journey *journey = journey_in(bucket, key);

	if (!journey)
		return 0;
	if (last_hook(journey) != LATENCY_TO_DRIVER) {
		journey_stray(bucket, key);
		return 0;
	}
	journey->flags |= JOURNEY_CROSSED;
	return last_time(journey);
}

/* The first hook, in the poll of a device or (netif_rx) wherever a driver runs. skb_iif is set in
 * __netif_receive_skb_core, so that a packet that has one comes by once more, decapsulated or from a bridge.
 */
static __always_inline int receive_first(struct sk_buff *skb, int polled)
{
	__u64 address = address_of(skb), key = packet_key(address, KEY_RX), sent;
	struct latency_journey *journey;
	struct bucket bucket;

	if (skb->skb_iif)
		return 0;
	bucket = bucket_of(address);
	sent = receive_crossed(&bucket, packet_key(address, KEY_TX));
	journey_stray(&bucket, key);
	journey = packet_take(skb, &bucket, key, skb->data - skb->head, skb->len, LATENCY_RX);
	if (!journey)
		return 0;
	if (polled)
		softirq_delivered(journey, sent);
	stamp(journey, LATENCY_DRIVER);
	if (journey->flow.protocol == PROTOCOL_TCP)
		segment_note(journey, key);
	return 0;
}

/* The stack begins with a packet: no reader is woken for the one before any more. */
static __always_inline int receive_begins(struct sk_buff *skb)
{
	__u64 address = address_of(skb);
	struct latency_journey *journey = journey_find(packet_key(address, KEY_RX));
	struct latency_cpu *cpu = this_cpu();

	if (cpu) {
		cpu->readable = 0;
		cpu->received = address;
	}
	if (journey) {
		softirq_waited(journey);
		stamp(journey, LATENCY_RECEIVE);
	}
	return 0;
}

/* A received packet that is still the one which was taken up: it knows its interface, and whoever has its
 * address by now was not received, because that would have been noticed. */
static __always_inline struct latency_journey *receive_same(struct sk_buff *skb, const struct bucket *bucket,
							    __u64 key)
{
	struct latency_journey *journey = journey_in(bucket, key);

	if (journey && last_hook(journey) >= LATENCY_RECEIVE && !skb->skb_iif) {
		journey_lost(journey, key);
		return (void *)0;
	}
	return journey;
}

static __always_inline int receive_stamp_at(__u64 address, enum latency_hook hook)
{
	struct latency_journey *journey = journey_find(packet_key(address, KEY_RX));

	if (journey)
		stamp(journey, hook);
	return 0;
}

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

static __always_inline int receive_tcp(struct sock *sk, struct sk_buff *skb)
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
	if (journey->end_sequence != end)
		merge_begin(&merged, journey, sk);
	journey = waiting_add(journey, key, sk);
	if (journey)
		journey->skb = address_of(skb);
	if (merged.sk && (journey || merged.filtered))
		merge_parts(&merged, end);
	return 0;
}

/* TCP's slow path has a packet, the one that came to its socket last. */
static __always_inline int receive_slowly(__u64 sk, __u64 skb)
{
	struct waiting *waiting = waiting_find(sk);
	struct latency_journey *journey;

	if (!waiting || waiting->head == waiting->tail)
		return 0;
	journey = waiting_at_number(waiting, sk, waiting->tail - 1);
	if (journey && journey->skb == skb && last_hook(journey) == LATENCY_SOCKET)
		stamp(journey, LATENCY_DATA_QUEUE);
	return 0;
}

static __always_inline int receive_readable(struct sock *sk)
{
	__u64 now = bpf_ktime_get_ns();
	struct waiting *waiting;
	struct tcp_sock *tcp;

	if (sk->sk_protocol == PROTOCOL_TCP) {
		waiting = waiting_find(address_of(sk));
		tcp = waiting ? bpf_skc_to_tcp_sock(sk) : (void *)0;
		if (!tcp)
			return 0;
		waiting_readable(waiting, address_of(sk), tcp->rcv_nxt, now);
		reader_open(address_of(sk), now);
	} else if (sk->sk_protocol == PROTOCOL_UDP) {
		datagrams_readable(sk, now);
		reader_open(address_of(sk), now);
	}
	return 0;
}

/* TCP data up to copied_seq is with the application. */
static __always_inline int receive_read(struct sock *sk)
{
	struct waiting *waiting = waiting_find(address_of(sk));
	struct tcp_sock *tcp;
	__u32 number, first = 1;
	__u64 now;

	if (!waiting || waiting->head == waiting->tail)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	now = bpf_ktime_get_ns();
	number = waiting->head;
	for (int i = 0; i < LATENCY_SCAN; i++, number++) {
		__u64 key = waiting_key(address_of(sk), number);
		struct latency_journey *journey;

		if (number == waiting->tail)
			break;
		journey = waiting_at_number(waiting, address_of(sk), number);
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
			waiting->head = number + 1;
	}
	return 0;
}

/* Global, and so verified once instead of for each packet. */
__noinline int receive_unread(struct waiting *waiting)
{
	struct latency_journey *journey;

	if (!waiting)
		return 0;
	journey = waiting_at_number(waiting, waiting->sk, waiting->head);
	if (journey)
		journey_end(journey, waiting_key(waiting->sk, waiting->head), LATENCY_UNREAD);
	waiting->head++;
	return 0;
}

/* The socket is closed: what waits is read by nobody. */
static __always_inline int receive_closed(struct sock *sk)
{
	struct waiting *waiting = waiting_find(address_of(sk));

	if (!waiting)
		return 0;
	for (int i = 0; i < LATENCY_CLOSED; i++) {
		if (waiting->head == waiting->tail)
			break;
		receive_unread(waiting);
	}
	waiting->head = waiting->tail;
	waiting->sk = 0;
	return 0;
}

static __always_inline int receive_copied(struct sk_buff *skb)
{
	__u64 key = packet_key(address_of(skb), KEY_RX);
	struct bucket bucket = bucket_of(key);
	struct latency_journey *journey = receive_same(skb, &bucket, key);

	return journey ? datagram_copied(journey) : 0;
}

static __always_inline void receive_consumed(struct sk_buff *skb, const struct bucket *bucket)
{
	__u64 key = packet_key(address_of(skb), KEY_RX);
	struct latency_journey *journey = receive_same(skb, bucket, key);
	enum latency_hook last;

	if (!journey || receive_reassembled(journey, key, skb))
		return;
	last = last_hook(journey);
	/* Datagrams are copied without a tracepoint where they are linear or their checksum is still to be
	 * verified (udp_recvmsg). */
	if (journey->flow.protocol == PROTOCOL_UDP &&
	    (last == LATENCY_READABLE || last == LATENCY_COPIED || !config.recv_length))
		datagram_freed(journey, key);
	else
		journey_end(journey, key, LATENCY_CONSUMED);
}

#endif
