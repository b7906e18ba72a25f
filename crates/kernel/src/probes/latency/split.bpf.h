/* SPDX-License-Identifier: GPL-2.0 */
/* Packets that are split for a device that cannot do it (software GSO).
 *
 * validate_xmit_skb (net/core/dev.c) makes segments of a packet, consumes it, and gives them to the driver
 * one after the other on the same CPU: the packet goes on as long as they do, until the driver has the last
 * of its data. A driver that is busy puts them back, and another CPU may take them: that packet is lost sight
 * of. */
#ifndef PLUMB_LATENCY_SPLIT_BPF_H
#define PLUMB_LATENCY_SPLIT_BPF_H

#include "journey.bpf.h"

/* Its segments are made. */
static __always_inline void split_begin(struct latency_journey *journey, __u64 sent, struct sk_buff *skb)
{
	__u64 address = address_of(skb), key = packet_key(address, KEY_SPLIT);
	struct bucket bucket = bucket_of(address);
	struct latency_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (cpu->split)
		journey_stray_at(cpu->split);
	journey_stray(&bucket, key);
	if (!journey_rename(journey, sent, key))
		return;
	cpu->split = key;
	/* The packet has given its socket to its segments by now (tcp_gso_segment). */
	cpu->split_sk = journey->sk;
	cpu->split_left = journey->end_sequence - journey->sequence;
	cpu->split_bytes = skb->len - cpu->split_left;
	cpu->segment = 0;
}

/* A packet that nobody knows comes to the driver. */
static __always_inline void split_to_driver(struct sk_buff *skb)
{
	struct latency_cpu *cpu = this_cpu();
	struct latency_journey *journey;

	if (!cpu || !cpu->split || cpu->split_sk != socket_of(skb))
		return;
	journey = journey_find(cpu->split);
	if (!journey || skb->len <= cpu->split_bytes || skb->len - cpu->split_bytes > cpu->split_left)
		return;
	if (last_hook(journey) != LATENCY_TO_DRIVER)
		stamp(journey, LATENCY_TO_DRIVER);
	cpu->segment = address_of(skb);
	cpu->split_left -= skb->len - cpu->split_bytes;
}

/* The driver returned. */
static __always_inline void split_from_driver(struct sk_buff *skb, int status)
{
	struct latency_cpu *cpu = this_cpu();
	struct latency_journey *journey;

	if (!cpu || !cpu->split || cpu->segment != address_of(skb))
		return;
	cpu->segment = 0;
	journey = journey_find(cpu->split);
	if (!journey)
		return;
	if (status) {
		/* It comes again. Its length is read still: it was not taken. */
		cpu->split_left += skb->len - cpu->split_bytes;
	} else if (!cpu->split_left) {
		stamp(journey, LATENCY_FROM_DRIVER);
		journey_end(journey, cpu->split, sent_outcome(journey));
		cpu->split = 0;
	}
}

/* A part of it was dropped. */
static __always_inline void split_dropped(struct sk_buff *skb, __u32 reason)
{
	struct latency_cpu *cpu = this_cpu();
	struct latency_journey *journey;

	if (!cpu || !cpu->split || cpu->segment != address_of(skb))
		return;
	journey = journey_find(cpu->split);
	if (journey)
		journey_end_because(journey, cpu->split, LATENCY_DROPPED, reason);
	cpu->split = 0;
}

#endif
