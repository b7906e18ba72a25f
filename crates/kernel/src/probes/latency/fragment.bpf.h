/* SPDX-License-Identifier: GPL-2.0 */
/* Received fragments, of which the first one has the ports and the journey. */
#ifndef PLUMB_LATENCY_FRAGMENT_BPF_H
#define PLUMB_LATENCY_FRAGMENT_BPF_H

#include "journey.bpf.h"
#include "parse.bpf.h"

/* Whether a packet is the first fragment of several: RFC 791, section 3.1, and RFC 8200, section 4.5. */
static __always_inline int receive_fragment(struct sk_buff *skb)
{
	__u8 header[8];

	if (bpf_probe_read_kernel(header, sizeof(header), skb->head + skb->network_header))
		return 0;
	return header[0] >> 4 == 4 ? header[6] & 0x20 : header[6] == PROTOCOL_FRAGMENT;
}

/* The fragment that comes last becomes the whole packet, and the first one is consumed within
 * (inet_frag_reasm_prepare in net/ipv4/inet_fragment.c): its journey goes on with the other's address. */
static __always_inline int receive_reassembled(struct latency_journey *journey, __u64 key,
					       struct sk_buff *skb)
{
	struct latency_cpu *cpu;

	if (last_hook(journey) >= LATENCY_SOCKET)
		return 0;
	cpu = this_cpu();
	if (!cpu || cpu->received == address_of(skb) || !receive_fragment(skb))
		return 0;
	if (!journey_move(journey, key, packet_key(cpu->received, KEY_RX)))
		journey_end(journey, key, LATENCY_NO_ROOM);
	return 1;
}

#endif
