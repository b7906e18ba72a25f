/* SPDX-License-Identifier: GPL-2.0 */
/* Received packets, from the driver to the stack. */
#ifndef PLUMB_LATENCY_INGRESS_BPF_H
#define PLUMB_LATENCY_INGRESS_BPF_H

#include "fragment.bpf.h"
#include "packet.bpf.h"
#include "segments.bpf.h"
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

#endif
