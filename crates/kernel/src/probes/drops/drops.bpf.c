// SPDX-License-Identifier: GPL-2.0
/* skb:kfree_skb: every packet that the kernel frees as dropped, counted in groups or streamed one by one. */
#include "kernel.h"
#include "drops.h"
#include "filter.bpf.h"
#include "parse.bpf.h"
#include "ring.bpf.h"
#include "table.bpf.h"
#include "tunnel.bpf.h"

const volatile struct drops_config config = {};

struct drops_late late = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* one bank per CPU */
	__type(key, __u32);
	__type(value, struct drops_counters);
} drops_counters SEC(".maps");

/* Value sizes are set before load: index_mask + 1 entry numbers, capacity groups of config.stride bytes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u64));
} drops_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u64));
} drops_groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, DROPS_STACK_DEPTH * sizeof(__u64));
} drops_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} drops_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring_control);
} drops_control SEC(".maps");

/* The packet as the filters and both modes see it. */
struct drop {
	struct sk_buff *skb;
	struct net_device *dev;
	struct net *net; /* where there is no device at hand */
	struct sock *sk;
	struct drop_place place;
	__u16 ethertype;
	__u8 socket_family;
};

/* A socket that is no request or time-wait entry, which have no owner: the states of
 * include/net/tcp_states.h. */
static __always_inline int socket_is_full(struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	return state != 6 /* TCP_TIME_WAIT */ && state != 12 /* TCP_NEW_SYN_RECV */;
}

enum netns_const {
	/* The inodes of namespaces are at the top of the number range: include/linux/proc_ns.h,
	   fs/proc/generic.c. */
	NETNS_FIRST_INODE = 0xeffffff0,
	DST_NOREF = 1, /* SKB_DST_NOREF in include/linux/skbuff.h: a flag in the pointer's lowest bit */
};

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
	if (netns >= NETNS_FIRST_INODE) {
		d->dev = dev;
		d->place.ifindex = dev->ifindex;
		d->place.netns = netns;
		return;
	}
	d->place.ifindex = skb->skb_iif;
	net = packet_net(d);
	netns = net ? BPF_CORE_READ(net, ns.inum) : 0;
	if (netns >= NETNS_FIRST_INODE) {
		d->net = net;
		d->place.netns = netns;
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
	struct flow_key flow;
	__u16 ethertype;
	__s16 vlan;	 /* -1: no tag in the packet's bytes */
	__s16 tcp_flags; /* -1: none */
};

/* Reads the outer headers, in place of the metadata's ethertype the one behind tags. */
static __always_inline void drop_headers(const struct drop *d, struct headers *h)
{
	struct cursor c = {.head = d->skb->head, .at = d->skb->network_header, .end = d->skb->tail};

	__builtin_memset(h, 0, sizeof(*h));
	h->cursor = c;
	h->ethertype = d->ethertype;
	h->vlan = -1;
	h->tcp_flags = -1;
	if (!h->ethertype || !c.at)
		return;
	h->vlan = parse_tags(&h->cursor, &h->cursor.at, &h->ethertype);
	if (!parse_network(&h->cursor, h->cursor.at, h->ethertype, &h->flow, &h->next))
		h->tcp_flags = parse_transport(&h->cursor, &h->next, &h->flow);
}

static __always_inline int reason_passes(__u32 reason)
{
	int listed = !config.n_reasons;

	for (int i = 0; i < DROPS_REASONS_MAX; i++) {
		if (i >= config.n_reasons)
			break;
		listed |= config.reasons[i] == reason;
	}
	for (int i = 0; i < DROPS_REASONS_MAX; i++) {
		if (i >= config.n_not_reasons)
			break;
		if (config.not_reasons[i] == reason)
			return 0;
	}
	return listed;
}

static __always_inline int drop_is_noise(const struct drop *d)
{
	__u32 count = late.n_noise;

	for (int i = 0; i < DROPS_NOISE_MAX; i++) {
		struct drops_noise *rule = &late.noise[i];

		if (i >= count)
			break;
		if (rule->reason != DROPS_ANY_REASON && rule->reason != d->place.reason)
			continue;
		if (rule->socket_family && rule->socket_family != d->socket_family)
			continue;
		if (d->place.location >= rule->start && d->place.location < rule->end)
			return 1;
	}
	return 0;
}

static __always_inline __u32 socket_uid(struct sock *sk)
{
	return sk->sk_uid.val;
}

static __always_inline __u64 socket_cgroup(struct sock *sk)
{
	struct cgroup *cgroup = sk->sk_cgrp_data.cgroup;

	return cgroup ? cgroup->kn->id : 0;
}

static __always_inline int socket_passes(struct sock *sk)
{
	filter_t *f = &config.filter;

	if (!f->n_uids && !f->n_cgroups)
		return 1;
	if (!sk || !socket_is_full(sk))
		return 0;
	if (f->n_uids && !FILTER_ANY(i, f->n_uids, f->uids[i] == socket_uid(sk)))
		return 0;
	if (f->n_cgroups && !FILTER_ANY(i, f->n_cgroups, f->cgroups[i] == socket_cgroup(sk)))
		return 0;
	return 1;
}

static __always_inline int headers_pass(const struct drop *d)
{
	struct headers h;

	if (!filter_needs_headers(&config.filter))
		return 1;
	drop_headers(d, &h);
	return filter_headers(&config.filter, &h.flow);
}

static __always_inline int drop_passes(struct drop *d, struct drops_counters *counters)
{
	if (!reason_passes(d->place.reason) ||
	    !filter_place(&config.filter, d->place.netns, d->place.ifindex) || !headers_pass(d) ||
	    !socket_passes(d->sk) || !filter_process(&config.filter)) {
		counters->filtered++;
		return 0;
	}
	if (drop_is_noise(d)) {
		counters->filtered++;
		counters->hidden++;
		return 0;
	}
	if (config.sample > 1 && bpf_get_prandom_u32() % config.sample) {
		counters->sampled_out++;
		return 0;
	}
	return 1;
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
		return counters->in_softirq ? DROPS_CONTEXT_INTERRUPT : DROPS_CONTEXT_PROCESS;
	}
	return DROPS_CONTEXT_UNKNOWN;
}

static __always_inline void flow_keep(struct flow_key *flow)
{
	if (!(config.keys & DROPS_KEY_SRC_IP))
		__builtin_memset(flow->src, 0, sizeof(flow->src));
	if (!(config.keys & DROPS_KEY_DST_IP))
		__builtin_memset(flow->dst, 0, sizeof(flow->dst));
	if (!(config.keys & DROPS_KEY_SRC_PORT))
		flow->src_port = 0;
	if (!(config.keys & DROPS_KEY_DST_PORT))
		flow->dst_port = 0;
	if (!(config.keys & DROPS_KEY_PROTOCOL))
		flow->protocol = 0;
}

static __always_inline void drop_details(struct drop *d, void *ctx, const struct drops_counters *counters,
					 struct drop_details *out)
{
	struct headers h;

	if (config.keys & DROPS_KEYS_FLOW) {
		drop_headers(d, &h);
		out->flow = h.flow;
		flow_keep(&out->flow);
	}
	if (config.keys & DROPS_KEYS_SOCKET && d->sk && socket_is_full(d->sk)) {
		out->has_socket = 1;
		if (config.keys & DROPS_KEY_UID)
			out->uid = socket_uid(d->sk);
		if (config.keys & DROPS_KEY_CGROUP)
			out->cgroup = socket_cgroup(d->sk);
	}
	if (config.keys & DROPS_KEYS_PROCESS)
		out->context = drop_context(counters);
	if (config.keys & DROPS_KEY_PID)
		out->pid = bpf_get_current_pid_tgid() >> 32;
	if (config.keys & DROPS_KEY_COMM)
		bpf_get_current_comm(out->comm, sizeof(out->comm));
	if (config.keys & DROPS_KEY_FAMILY) {
		out->ethertype = d->ethertype;
		out->socket_family = d->ethertype ? 0 : d->socket_family;
	}
	if (config.keys & DROPS_KEY_STACK)
		out->stack = bpf_get_stackid(ctx, &drops_stacks, 0);
}

static __always_inline __u64 group_hash(const struct drop_place *place, const struct drop_details *details)
{
	const __u64 *words = (const __u64 *)place;
	__u64 hash = 0;

	for (int i = 0; i < (int)(sizeof(*place) / 8); i++)
		hash = table_mix(hash, words[i]);
	if (config.keys & DROPS_KEYS_ENTRY) {
		words = (const __u64 *)details;
#pragma unroll
		for (int i = 0; i < (int)(sizeof(*details) / 8); i++)
			hash = table_mix(hash, words[i]);
	}
	return hash ^ (hash >> 32);
}

static __always_inline int group_is(struct drop_group *group, const struct drop_place *place,
				    const struct drop_details *details)
{
	if (table_differs((__u64 *)&group->place, (__u64 *)place, sizeof(*place) / 8))
		return 0;
	return !(config.keys & DROPS_KEYS_ENTRY) ||
	       !table_differs((__u64 *)&group->details, (__u64 *)details, sizeof(*details) / 8);
}

static __always_inline void group_start(struct drop_group *group, const struct drop *d,
					const struct drop_details *details)
{
	group->place = d->place;
	device_name(d, group->interface);
	if (config.keys & DROPS_KEYS_ENTRY)
		group->details = *details;
}

/* Older verifiers (6.1) lose the bounds of a product whose second factor varies; clang picks either order. */
static __always_inline struct drop_group *group_at(void *groups, __u64 entry)
{
	__u64 stride = config.stride;

	asm volatile("%0 *= %1" : "+r"(entry) : "r"(stride));
	return groups + entry;
}

/* The group's entry, made where it is new; null where the bank is full. */
static __always_inline struct drop_group *group_find(__u32 cpu, struct drops_counters *counters,
						     const struct drop *d, const struct drop_details *details)
{
	void *index = bpf_map_lookup_elem(&drops_index, &cpu);
	void *groups = bpf_map_lookup_elem(&drops_groups, &cpu);
	__u32 slot = group_hash(&d->place, details);

	if (!index || !groups)
		return (void *)0;
	for (int i = 0; i < TABLE_PROBES; i++) {
		__u32 *number = index + ((slot + i) & config.index_mask) * sizeof(__u32);
		struct drop_group *group;
		__u32 entry = *number;

		if (!entry) {
			entry = counters->used;
			if (entry >= config.capacity)
				return (void *)0;
			group = group_at(groups, entry);
			group_start(group, d, details);
			*number = entry + 1;
			/* A barrier: a reader that sees the new count sees the entry's key. */
			__sync_fetch_and_add(&counters->used, 1);
			return group;
		}
		entry--;
		if (entry >= config.capacity)
			return (void *)0;
		group = group_at(groups, entry);
		if (group_is(group, &d->place, details))
			return group;
	}
	return (void *)0;
}

static __always_inline void drop_count(struct drop *d, void *ctx, __u32 cpu, struct drops_counters *counters)
{
	struct drop_details details = {};
	struct drop_group *group;

	if (config.keys & DROPS_KEYS_ENTRY)
		drop_details(d, ctx, counters, &details);
	group = group_find(cpu, counters, d, &details);
	counters->aggregated++;
	if (group) {
		group->packets++;
		group->bytes += d->skb->len;
	} else {
		counters->ungrouped++;
		counters->ungrouped_bytes += d->skb->len;
	}
}

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
	e->netns = d->place.netns;
	e->length = d->skb->len;
	e->cpu = cpu;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	e->context = drop_context(counters);
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

SEC("tp_btf/kfree_skb")
int drops_kfree_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct drop d = {.place = {.location = ctx[1], .reason = (__u32)ctx[2]}};
	__u32 cpu = bpf_get_smp_processor_id();
	struct drops_counters *counters = bpf_map_lookup_elem(&drops_counters, &cpu);
	struct sock *rx_sk = (void *)0;

	if (!counters)
		return 0;
	counters->seen++;
	if (bpf_core_field_exists(struct trace_event_raw_kfree_skb, rx_sk))
		rx_sk = (void *)ctx[3];
	drop_describe(&d, skb, rx_sk);
	if (!drop_passes(&d, counters))
		return 0;
	if (config.events)
		drop_stream(&d, ctx, cpu, counters);
	else
		drop_count(&d, ctx, cpu, counters);
	return 0;
}

static __always_inline int softirq_mark(__u32 inside)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct drops_counters *counters = bpf_map_lookup_elem(&drops_counters, &cpu);

	if (counters)
		counters->in_softirq = inside;
	return 0;
}

SEC("tp_btf/softirq_entry")
int drops_irq_enter(void *ctx)
{
	return softirq_mark(1);
}

SEC("tp_btf/softirq_exit")
int drops_irq_leave(void *ctx)
{
	return softirq_mark(0);
}

char LICENSE[] SEC("license") = "GPL";
