/* SPDX-License-Identifier: GPL-2.0 */
/* Received packets where their socket can be read, and where they are freed. */
#ifndef PLUMB_LATENCY_RECEIVE_BPF_H
#define PLUMB_LATENCY_RECEIVE_BPF_H

#include "datagram.bpf.h"
#include "ingress.bpf.h"
#include "tcp_receive.bpf.h"

static __always_inline int receive_readable(struct sock *sk)
{
	__u64 now = bpf_ktime_get_ns();

	if (sk->sk_protocol == PROTOCOL_TCP) {
		tcp_readable(sk, now);
	} else if (sk->sk_protocol == PROTOCOL_UDP) {
		datagrams_readable(sk, now);
		reader_open(address_of(sk), now);
	}
	return 0;
}

static __always_inline int receive_copied(struct sk_buff *skb)
{
	__u64 key = packet_key(address_of(skb), KEY_RX);
	struct bucket bucket = bucket_of(key);
	struct latency_journey *journey = receive_same(skb, &bucket, key);

	return journey ? datagram_copied(journey) : 0;
}

/* A datagram of which no hook tells that its socket can be read was split for it, or read by another CPU
 * before that. */
static __always_inline void receive_consumed_early(struct latency_journey *journey, __u64 key,
						   struct sk_buff *skb)
{
	__u32 size = config.readable ? gso_size(skb) : 0;
	struct latency_cpu *cpu = this_cpu();

	if (size)
		udp_split_begin(journey, key, skb, size);
	else if (!config.recv_length || (cpu && cpu->received != address_of(skb)))
		datagram_read(journey, key, bpf_ktime_get_ns());
	else
		journey_end(journey, key, LATENCY_CONSUMED);
}

static __always_inline void receive_consumed(struct sk_buff *skb, const struct bucket *bucket)
{
	__u64 key = packet_key(address_of(skb), KEY_RX);
	struct latency_journey *journey = receive_same(skb, bucket, key);

	if (!journey || receive_reassembled(journey, key, skb))
		return;
	/* Datagrams are copied without a tracepoint where they are linear or their checksum is still to be
	 * verified (udp_recvmsg). */
	if (journey->flow.protocol != PROTOCOL_UDP)
		journey_end(journey, key, LATENCY_CONSUMED);
	else if (last_hook(journey) < LATENCY_READABLE)
		receive_consumed_early(journey, key, skb);
	else
		datagram_freed(journey, key);
}

#endif
