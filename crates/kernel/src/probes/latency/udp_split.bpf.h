/* SPDX-License-Identifier: GPL-2.0 */
/* Datagrams that come as one packet (UDP_SEGMENT over a veth, or what GRO merged) to a socket that takes
 * single ones.
 *
 * udp_queue_rcv_skb (net/ipv4/udp.c) makes datagrams of the packet, consumes it, and queues them one after
 * the other on the same CPU, where each makes the socket readable: the journey goes on with the last one. One
 * that another CPU queues meanwhile (udp_prod_queue, since 6.18) is not noticed: that packet is lost sight
 * of. */
#ifndef PLUMB_LATENCY_UDP_SPLIT_BPF_H
#define PLUMB_LATENCY_UDP_SPLIT_BPF_H

#include "packet.bpf.h"

/* They are made, with `size` bytes of data each. */
static __always_inline void udp_split_begin(struct latency_journey *journey, __u64 received,
					    struct sk_buff *skb, __u32 size)
{
	__u32 at = skb->data - skb->head, data = at + skb->len - skb->transport_header - 8;
	__u64 key = packet_key(address_of(skb), KEY_SPLIT);
	struct latency_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (cpu->datagrams_of)
		journey_stray_at(cpu->datagrams_of);
	if (!journey_rename(journey, received, key))
		return;
	cpu->datagrams_of = key;
	cpu->datagrams = (data + size - 1) / size;
}

/* The packet whose datagrams this CPU is at; null where it has begun with another one. */
static __always_inline struct latency_journey *udp_split_journey(const struct latency_cpu *cpu)
{
	if (!cpu->datagrams || cpu->datagrams_of != packet_key(cpu->received, KEY_SPLIT))
		return (void *)0;
	return journey_find(cpu->datagrams_of);
}

/* The socket has one more, the `last` in its queue. */
static __always_inline void udp_split_readable(struct latency_cpu *cpu, __u64 last)
{
	struct latency_journey *journey = udp_split_journey(cpu);

	if (!journey || --cpu->datagrams)
		return;
	journey_move(journey, cpu->datagrams_of, packet_key(last, KEY_RX));
	cpu->datagrams_of = 0;
}

/* One of them was dropped. */
static __always_inline void udp_split_dropped(struct sk_buff *skb, __u32 reason)
{
	struct latency_cpu *cpu = this_cpu();
	struct latency_journey *journey = cpu ? udp_split_journey(cpu) : (void *)0;
	__be16 ports[2];

	if (!journey || bpf_probe_read_kernel(ports, sizeof(ports), skb->head + skb->transport_header))
		return;
	if (bpf_ntohs(ports[0]) != journey->flow.src_port || bpf_ntohs(ports[1]) != journey->flow.dst_port)
		return;
	journey_end_because(journey, cpu->datagrams_of, LATENCY_DROPPED, reason);
	cpu->datagrams_of = 0;
	cpu->datagrams = 0;
}

#endif
