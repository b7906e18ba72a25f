/* SPDX-License-Identifier: GPL-2.0 */
/* Which packets are taken up: data for an application, over TCP or UDP, that the filters pass. */
#ifndef PLUMB_LATENCY_PACKET_BPF_H
#define PLUMB_LATENCY_PACKET_BPF_H

#include "filter.bpf.h"
#include "journey.bpf.h"
#include "parse.bpf.h"

/* Bytes of data in each of the packets that are in it; 0: it is one. */
static __always_inline __u32 gso_size(struct sk_buff *skb)
{
	struct skb_shared_info *info = (void *)(skb->head + skb->end);

	return BPF_CORE_READ(info, gso_size);
}

/* A packet at its first hook. */
struct seen {
	struct flow_key flow __attribute__((aligned(8))); /* filters read words of it */
	struct transport next;
	__u32 payload;
};

/* Reads the headers from the network header on, of which `length` bytes follow with the data. Whether there
 * is data. */
static __always_inline int packet_read(struct sk_buff *skb, __u32 at, __u32 length, struct seen *packet)
{
	struct cursor c = {.head = skb->head, .at = at, .end = skb->tail};
	__u32 headers;

	if (parse_network(&c, at, bpf_ntohs(skb->protocol), &packet->flow, &packet->next))
		return 0;
	parse_transport(&c, &packet->next, &packet->flow);
	headers = packet->next.at - at;
	if (packet->flow.protocol == PROTOCOL_UDP) {
		headers += 8; /* RFC 768 */
		packet->payload = length > headers ? length - headers : 0;
		return packet->next.first;
	}
	if (packet->flow.protocol != PROTOCOL_TCP || !packet->next.header)
		return 0;
	headers += packet->next.header;
	packet->payload = length > headers ? length - headers : 0;
	return packet->payload > 0;
}

static __always_inline int packet_passes(struct sk_buff *skb, struct seen *packet, __u64 cookie)
{
	struct net_device *dev = skb->dev;
	__u32 inode = dev->nd_net.net->ns.inum;

	return filter_place(&config.filter, inode, cookie, dev->ifindex) &&
	       filter_headers(&config.filter, &packet->flow);
}

/* Takes a packet up at its first hook: counted whatever becomes of it. */
static __always_inline struct latency_journey *packet_take(struct sk_buff *skb, const struct bucket *bucket,
							   __u64 key, __u32 at, __u32 length,
							   enum latency_direction direction)
{
	struct latency_counters *count = counters();
	struct latency_journey *journey;
	struct seen packet = {};
	__u64 cookie;

	if (!count)
		return (void *)0;
	count->seen++;
	/* Before its headers are read, which costs more than all else here. */
	if (config.sample > 1 && bpf_get_prandom_u32() % config.sample) {
		count->sampled_out++;
		return (void *)0;
	}
	cookie = skb->dev->nd_net.net->net_cookie;
	if (!packet_read(skb, at, length, &packet) || !packet_passes(skb, &packet, cookie)) {
		count->filtered++;
		return (void *)0;
	}
	journey = journey_claim_in(bucket, key);
	if (!journey) {
		count->no_room++;
		return (void *)0;
	}
	if (config.keys & LATENCY_KEYS_PLACE)
		group_place(skb, cookie);
	journey->id = count->seen << 12 | (bpf_get_smp_processor_id() & 0xfff);
	journey->netns = cookie;
	journey->ifindex = skb->dev->ifindex;
	journey->cpu = journey->first_cpu = bpf_get_smp_processor_id();
	journey->sequence = packet.next.sequence;
	journey->end_sequence = packet.next.sequence + packet.payload;
	journey->flow = packet.flow;
	journey->length = length;
	journey->direction = direction;
	journey->sk = 0;
	journey->skb = 0;
	journey->flags = 0;
	journey->count = 0;
	owner_clear(journey);
	return journey;
}

#endif
