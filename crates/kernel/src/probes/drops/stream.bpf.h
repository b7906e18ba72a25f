/* SPDX-License-Identifier: GPL-2.0 */
/* A record per packet. */
#ifndef PLUMB_DROPS_STREAM_BPF_H
#define PLUMB_DROPS_STREAM_BPF_H

#include "packet.bpf.h"
#include "ring.bpf.h"
#include "tunnel.bpf.h"

static __always_inline void event_vlan(struct drop_event *e, struct sk_buff *skb, __s16 from_tag)
{
	struct sk_buff___vlan_bit *old = (void *)skb;
	int present;

	if (bpf_core_field_exists(old->vlan_present))
		present = BPF_CORE_READ_BITFIELD(old, vlan_present);
	else
		present = skb->vlan_proto != 0;
	if (present) {
		e->vlan = skb->vlan_tci & 0x0fff;
		e->known |= DROPS_HAS_VLAN;
	} else if (from_tag >= 0) {
		e->vlan = from_tag;
		e->known |= DROPS_HAS_VLAN;
	}
}

static __always_inline void event_headers(struct drop_event *e, struct drop *d)
{
	struct headers h;

	drop_headers(d, &h);
	e->flow = h.flow;
	if (h.tcp_flags >= 0) {
		e->tcp_flags = h.tcp_flags;
		e->known |= DROPS_HAS_TCP_FLAGS;
	}
	if (h.next.first)
		e->tunnel = tunnel_parse(&h.cursor, &h.next, &h.flow, &e->inner);
	e->ethertype = h.ethertype;
	event_vlan(e, d->skb, h.vlan);
}

/* The packet's first bytes, from its Ethernet header where it has one. Only what lies in the linear part. */
static __always_inline void event_capture(struct drop_event *e, struct drop *d, void *to)
{
	struct sk_buff *skb = d->skb;
	__u32 start = skb->network_header, tail = skb->tail, data = skb->data - skb->head;
	__u32 mac = skb->mac_header, size;

	if (mac != 0xffff && mac + 14 <= start && d->dev && d->dev->type == 1 /* ARPHRD_ETHER */) {
		start = mac;
		e->known |= DROPS_CAPTURED_ETHERNET;
	} else if (!e->flow.version) {
		return;
	}
	if (start >= tail)
		return;
	e->original = skb->len + data - start;
	size = tail - start;
	if (size > config.snaplen)
		size = config.snaplen;
	if (!bpf_probe_read_kernel(to, size, skb->head + start))
		e->captured = size;
}

static __always_inline void event_fill(struct drop_event *e, struct drop *d, __u32 cpu,
				       const struct drops_counters *counters)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = bpf_ktime_get_ns();
	e->location = d->place.location;
	e->reason = d->place.reason;
	e->ifindex = d->place.ifindex;
	e->netns = d->netns;
	e->netns_cookie = d->place.netns;
	e->length = d->skb->len;
	e->cpu = cpu;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	e->context = drop_context(counters);
	/* On its way out a packet has the transmit queue in the same field. */
	if (d->dev && d->skb->skb_iif == d->dev->ifindex)
		e->rx_queue = d->skb->queue_mapping;
	e->socket_family = d->socket_family;
	if (d->place.ifindex)
		e->known |= DROPS_HAS_IFINDEX;
	if (d->place.netns)
		e->known |= DROPS_HAS_NETNS;
	device_name(d, e->interface);
	if (d->sk && socket_is_full(d->sk)) {
		e->known |= DROPS_HAS_SOCKET;
		e->uid = socket_uid(d->sk);
		e->cgroup = socket_cgroup(d->sk);
	}
	event_headers(e, d);
}

static __always_inline void drop_stream(struct drop *d, void *ctx, __u32 cpu, struct drops_counters *counters)
{
	__u32 stack_room = config.stack ? DROPS_STACK_DEPTH * sizeof(__u64) : 0;
	struct ring_control *control;
	struct drop_event *e;
	__u32 zero = 0;
	long size;

	e = bpf_ringbuf_reserve(&drops_ring, sizeof(*e) + stack_room + config.snaplen, 0);
	if (!e) {
		counters->lost_ring++;
		return;
	}
	event_fill(e, d, cpu, counters);
	if (config.stack) {
		size = bpf_get_stack(ctx, (void *)e + sizeof(*e), DROPS_STACK_DEPTH * sizeof(__u64), 0);
		e->stack_size = size > 0 ? size : 0;
	}
	if (config.snaplen)
		event_capture(e, d, (void *)e + sizeof(*e) + stack_room);
	control = bpf_map_lookup_elem(&drops_control, &zero);
	ring_submit(e, control, config.wakeup);
	counters->emitted++;
}

#endif
