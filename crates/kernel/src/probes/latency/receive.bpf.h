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
