/* SPDX-License-Identifier: GPL-2.0 */
/* Sent packets, from the send call to the driver. */
#ifndef PLUMB_LATENCY_TRANSMIT_BPF_H
#define PLUMB_LATENCY_TRANSMIT_BPF_H

#include "receive.bpf.h"
#include "split.bpf.h"
#include "tcp_send.bpf.h"

/* A received packet goes on: it has the interface that it came by and no socket. Else its address was given
 * to a packet of this host. */
static __always_inline struct latency_journey *transmit_forwarded(struct sk_buff *skb,
								  const struct bucket *bucket)
{
	__u64 address = address_of(skb), received = packet_key(address, KEY_RX);
	struct latency_journey *journey = journey_in(bucket, received);

	if (!journey)
		return (void *)0;
	if (!skb->skb_iif || skb->sk) {
		journey_lost(journey, received);
		return (void *)0;
	}
	if (!journey_rename(journey, received, packet_key(address, KEY_TX)))
		return (void *)0;
	journey->direction = LATENCY_FORWARD;
	return journey;
}

/* The functions below run one in another on one CPU, down to the device: what they note is of the packet that
 * gets there next, as long as socket or address agree. */
static __always_inline int transmit_tcp(struct sock *sk, __u64 skb)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (tcp)
		send_note(address_of(sk), skb, tcp->write_seq);
	return 0;
}

/* A UDP socket's send call begins; 0: it is over. */
static __always_inline int transmit_sends(__u64 sk)
{
	struct latency_cpu *cpu = this_cpu();

	if (!cpu)
		return 0;
	cpu->sender = sk;
	cpu->sends_since = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int transmit_transports(__u64 what)
{
	struct latency_cpu *cpu = this_cpu();

	if (!cpu)
		return 0;
	cpu->transport = what;
	cpu->transport_since = bpf_ktime_get_ns();
	return 0;
}

/* Also on the way of a packet that is forwarded. */
static __always_inline int transmit_routed(__u64 skb)
{
	struct latency_journey *journey = journey_find(packet_key(skb, KEY_RX));
	struct latency_cpu *cpu = this_cpu();

	if (journey) {
		stamp(journey, LATENCY_IP_OUT);
		return 0;
	}
	if (!cpu)
		return 0;
	cpu->routed = skb;
	cpu->routed_since = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void transmit_before(struct latency_journey *journey, struct sk_buff *skb)
{
	struct latency_cpu *cpu = this_cpu();
	__u64 packet = address_of(skb), sk = socket_of(skb), sent = 0;

	journey->sk = sk;
	if (!cpu)
		return;
	if (journey->flow.protocol == PROTOCOL_TCP && sk)
		sent = send_time(sk, journey->sequence);
	else if (sk && cpu->sender == sk)
		sent = cpu->sends_since;
	if (sent)
		stamp_at(journey, LATENCY_SEND, sent);
	if (cpu->transport == packet || (sk && cpu->transport == sk))
		stamp_at(journey, LATENCY_TRANSPORT_OUT, cpu->transport_since);
	if (cpu->routed == packet)
		stamp_at(journey, LATENCY_IP_OUT, cpu->routed_since);
	cpu->transport = cpu->routed = 0;
}

/* Whose it is, as far as that is known here, and so ever. */
static __always_inline void transmit_owner(struct latency_journey *journey, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;

	if (!config.owners || !sk)
		return;
	owner_socket(journey, sk);
	if (journey->flow.protocol == PROTOCOL_TCP)
		sender_copy(journey, address_of(sk));
	else
		owner_runs(journey);
}

static __always_inline int transmit_first(struct sk_buff *skb)
{
	__u64 key = packet_key(address_of(skb), KEY_TX);
	struct bucket bucket = bucket_of(key);
	struct latency_journey *journey = journey_in(&bucket, key);

	/* Through a device on top of another one, as VLANs are, a packet comes by once more. */
	if (journey && last_hook(journey) == LATENCY_TO_DRIVER &&
	    journey->cpu == bpf_get_smp_processor_id()) {
		stamp(journey, LATENCY_QUEUE);
		return 0;
	}
	if (journey)
		journey_stray(&bucket, key);
	journey = transmit_forwarded(skb, &bucket);
	if (journey) {
		stamp(journey, LATENCY_QUEUE);
		return 0;
	}
	/* Received and not taken up. */
	if (skb->skb_iif && !skb->sk)
		return 0;
	journey = packet_take(skb, &bucket, key, skb->network_header,
			      skb->len - (skb->network_header - (__u32)(skb->data - skb->head)), LATENCY_TX);
	if (!journey)
		return 0;
	transmit_owner(journey, skb);
	if (config.owned && !owner_passes(journey)) {
		journey_end(journey, key, LATENCY_FILTERED);
		return 0;
	}
	transmit_before(journey, skb);
	stamp(journey, LATENCY_QUEUE);
	return 0;
}

static __always_inline int transmit_stamp(struct sk_buff *skb, enum latency_hook hook)
{
	struct latency_journey *journey = journey_find(packet_key(address_of(skb), KEY_TX));

	if (journey) {
		journey->cpu = bpf_get_smp_processor_id();
		stamp(journey, hook);
	}
	return 0;
}

static __always_inline int transmit_starts(struct sk_buff *skb)
{
	struct latency_journey *journey = journey_find(packet_key(address_of(skb), KEY_TX));

	if (!journey) {
		split_to_driver(skb);
		return 0;
	}
	journey->cpu = bpf_get_smp_processor_id();
	stamp(journey, LATENCY_TO_DRIVER);
	return 0;
}

/* The driver returned. By then the packet may be gone and its address another's, which this CPU did not give
 * to a driver last. */
static __always_inline int transmit_driven(struct sk_buff *skb, int status)
{
	__u64 key = packet_key(address_of(skb), KEY_TX);
	struct latency_journey *journey = journey_find(key);

	if (!journey) {
		split_from_driver(skb, status);
		return 0;
	}
	if (last_hook(journey) != LATENCY_TO_DRIVER || journey->cpu != bpf_get_smp_processor_id())
		return 0;
	if (status) /* not taken: it is tried again, or was freed */
		return 0;
	stamp(journey, LATENCY_FROM_DRIVER);
	if (journey->flags & JOURNEY_CROSSED)
		journey_end(journey, key, sent_outcome(journey));
	return 0;
}

static __always_inline void transmit_consumed(struct sk_buff *skb, const struct bucket *bucket)
{
	__u64 key = packet_key(address_of(skb), KEY_TX);
	struct latency_journey *journey = journey_in(bucket, key);
	enum latency_hook last;

	if (!journey)
		return;
	last = last_hook(journey);
	if (last != LATENCY_FROM_DRIVER && last != LATENCY_TO_DRIVER) {
		if (gso_size(skb))
			split_begin(journey, key, skb);
		else
			journey_end(journey, key, LATENCY_CONSUMED);
		return;
	}
	stamp(journey, LATENCY_FREED);
	journey_end(journey, key, sent_outcome(journey));
}

#endif
