/* SPDX-License-Identifier: GPL-2.0 */
/* A dropped packet: where it belongs, its headers, its socket, and whose process ran. */
#ifndef PLUMB_DROPS_PACKET_BPF_H
#define PLUMB_DROPS_PACKET_BPF_H

#include "parse.bpf.h"
#include "sock.bpf.h"
#include "state.bpf.h"

/* The packet as the filters and both modes see it. */
struct drop {
	struct sk_buff *skb;
	struct net_device *dev;
	struct net *net; /* where there is no device at hand */
	struct sock *sk;
	struct drop_place place;
	__u32 netns; /* inode */
	__u16 ethertype;
	__u8 socket_family;
};

enum netns_const {
	/* The inodes of namespaces are given from here on, the lowest that is free: include/linux/proc_ns.h,
	 * fs/proc/generic.c. A hundred million of them at once there are not. */
	NETNS_FIRST_INODE = 0xeffffff0,
	NETNS_INODES = 100000000,
	DST_NOREF = 1, /* SKB_DST_NOREF in include/linux/skbuff.h: a flag in the pointer's lowest bit */
};

static __always_inline int is_netns(__u32 inode)
{
	return inode - NETNS_FIRST_INODE < NETNS_INODES;
}

/* Where a packet without a device belongs: to its socket, or to its route. A datagram in a UDP socket's queue
 * names neither (__udp_enqueue_schedule_skb keeps only its length), and the process that runs when it is
 * freed may be a bystander, because sockets are destroyed by RCU: its namespace stays unknown. */
static __always_inline struct net *packet_net(const struct drop *d)
{
	struct dst_entry *dst = (void *)(d->skb->_skb_refdst & ~(unsigned long)DST_NOREF);

	if (d->sk)
		return d->sk->__sk_common.skc_net.net;
	return dst ? BPF_CORE_READ(dst, dev, nd_net.net) : (void *)0;
}

static __always_inline void drop_describe(struct drop *d, struct sk_buff *skb, struct sock *rx_sk)
{
	struct net_device *dev = skb->dev;
	struct sock *sk = skb->sk;
	struct net *net;
	__u32 netns;

	d->skb = skb;
	d->sk = sk ? sk : rx_sk;
	d->ethertype = bpf_ntohs(skb->protocol);
	d->socket_family = d->sk ? d->sk->__sk_common.skc_family : 0;
	/* In a socket's queue the field holds other things than a device (udp_skb_scratch in net/ipv4/udp.c,
	 * the rbnode of TCP's out-of-order queue). A load through those yields zero or garbage, never a
	 * fault; only what leads to a namespace's inode is taken for a device. */
	netns = dev ? dev->nd_net.net->ns.inum : 0;
	if (is_netns(netns)) {
		d->dev = dev;
		d->place.ifindex = dev->ifindex;
		d->place.netns = dev->nd_net.net->net_cookie;
		d->netns = netns;
		return;
	}
	d->place.ifindex = skb->skb_iif;
	net = packet_net(d);
	netns = net ? BPF_CORE_READ(net, ns.inum) : 0;
	if (is_netns(netns)) {
		d->net = net;
		d->place.netns = BPF_CORE_READ(net, net_cookie);
		d->netns = netns;
	}
}

enum device_const {
	DEVICE_HASH_MASK = 255, /* NETDEV_HASHENTRIES - 1 in include/linux/netdevice.h */
	DEVICE_CHAIN = 8,	/* devices of one hash bucket that are looked at */
};

/* The name of a device by its index, as dev_get_by_index_rcu (net/core/dev.c) finds it. */
static __always_inline void device_name_by_index(struct net *net, __u32 ifindex, __u8 *name)
{
	struct hlist_head *bucket = BPF_CORE_READ(net, dev_index_head) + (ifindex & DEVICE_HASH_MASK);
	struct hlist_node *node = BPF_CORE_READ(bucket, first);
	struct net_device *dev;

	for (int i = 0; i < DEVICE_CHAIN; i++) {
		if (!node)
			break;
		dev = (void *)((__u64)node - bpf_core_field_offset(struct net_device, index_hlist));
		if (BPF_CORE_READ(dev, ifindex) == ifindex) {
			bpf_probe_read_kernel(name, WIRE_IFNAME,
					      (void *)dev + bpf_core_field_offset(struct net_device, name));
			break;
		}
		node = BPF_CORE_READ(node, next);
	}
}

static __always_inline void device_name(const struct drop *d, __u8 *name)
{
	if (d->dev)
		bpf_probe_read_kernel(name, WIRE_IFNAME, d->dev->name);
	else if (d->net && d->place.ifindex)
		device_name_by_index(d->net, d->place.ifindex, name);
}

/* The headers of a packet as far as they are wanted. */
struct headers {
	struct cursor cursor;
	struct transport next;
	struct flow_key flow __attribute__((aligned(8))); /* filters read words of it */
	__u16 ethertype;
	__s16 vlan;	 /* -1: no tag in the packet's bytes */
	__s16 tcp_flags; /* -1: none */
};

/* Reads the outer headers, in place of the metadata's ethertype the one behind tags. */
static __always_inline void drop_headers(const struct drop *d, struct headers *h)
{
	struct cursor c = {.head = d->skb->head, .at = d->skb->network_header, .end = d->skb->tail};
	__u32 mac = d->skb->mac_header;

	__builtin_memset(h, 0, sizeof(*h));
	h->cursor = c;
	h->ethertype = d->ethertype;
	h->vlan = -1;
	h->tcp_flags = -1;
	if (!h->ethertype || !c.at)
		return;
	/* Tags lie behind the addresses, but the network header may already point behind the tags: on the way
	 * out of a VLAN device or of a packet socket (packet_parse_headers in net/packet/af_packet.c). */
	if ((h->ethertype == ETHERTYPE_VLAN || h->ethertype == ETHERTYPE_QINQ) && mac != 0xffff &&
	    mac + 14 <= c.at)
		h->cursor.at = mac + 14;
	h->vlan = parse_tags(&h->cursor, &h->cursor.at, &h->ethertype);
	if (!parse_network(&h->cursor, h->cursor.at, h->ethertype, &h->flow, &h->next))
		h->tcp_flags = parse_transport(&h->cursor, &h->next, &h->flow);
}

/* Softirq, hard interrupt and NMI bits of include/linux/preempt.h: in any of them `current` is a bystander. A
 * count of SOFTIRQ_DISABLE_OFFSET alone is a process that holds softirqs off. */
enum preempt_bits {
	PREEMPT_SOFTIRQ_SERVING = 0x00000100,
	PREEMPT_HARDIRQ = 0x000f0000,
	PREEMPT_NMI = 0x00f00000,
};

static __always_inline __u8 drop_context(const struct drops_counters *counters)
{
	__u64 base = 0, offset = late.preempt_count;
	__u32 count = 0;

	switch (late.context_source) {
	case DROPS_SOURCE_PREEMPT_COUNT:
		if (late.in_pcpu_hot && bpf_core_type_exists(struct pcpu_hot))
			offset += bpf_core_field_offset(struct pcpu_hot, preempt_count);
		if (bpf_probe_read_kernel(&base, sizeof(base),
					  (void *)(late.per_cpu_offset + 8 * bpf_get_smp_processor_id())) ||
		    bpf_probe_read_kernel(&count, sizeof(count), (void *)(base + offset)))
			return DROPS_CONTEXT_UNKNOWN;
		return count & (PREEMPT_SOFTIRQ_SERVING | PREEMPT_HARDIRQ | PREEMPT_NMI)
			       ? DROPS_CONTEXT_INTERRUPT
			       : DROPS_CONTEXT_PROCESS;
	case DROPS_SOURCE_SOFTIRQ_FLAG:
		return counters->context;
	}
	return DROPS_CONTEXT_UNKNOWN;
}

#endif
