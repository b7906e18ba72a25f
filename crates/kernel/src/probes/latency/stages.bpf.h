/* SPDX-License-Identifier: GPL-2.0 */
/* The histograms of stages: one for each direction and pair of hooks and, where groups are asked for, one of
 * each group. The first packet between two hooks gets its histogram. */
#ifndef PLUMB_LATENCY_STAGES_BPF_H
#define PLUMB_LATENCY_STAGES_BPF_H

#include "flow.bpf.h"
#include "state.bpf.h"

#define STAMP_TIME (((__u64)1 << LATENCY_HOOK_SHIFT) - 1)

/* The histogram's number; 0 where there is none and no room either. */
static __always_inline __u32 stage_number(struct latency_stages *stages, __u32 direction, __u32 from,
					  __u32 to, __u32 *used, __u32 most)
{
	__u64 place = ((direction & 3) * LATENCY_HOOKS + from) * LATENCY_HOOKS + to;
	__u32 *number, fresh;

	/* The mask changes nothing: verifiers (6.1) do not find the bound in the sum. */
	barrier_var(place);
	number = &stages->numbers[place & (4 * LATENCY_HOOKS * LATENCY_HOOKS - 1)];

	/* Looked at first: else the number would go round. */
	if (!*number && *(volatile __u32 *)used < most) {
		fresh = __sync_fetch_and_add(used, 1) + 1;
		/* Two CPUs at once: the second one's number stays unused. */
		if (fresh <= most)
			__sync_val_compare_and_swap(number, 0, fresh);
	}
	return *number;
}

static __always_inline struct histogram *stage_times_of_all(__u32 direction, __u32 from, __u32 to)
{
	__u32 zero = 0, number;
	struct latency_stages *stages = bpf_map_lookup_elem(&latency_stages, &zero);

	if (!stages)
		return (void *)0;
	number = stage_number(stages, direction, from, to, &stages_used, LATENCY_STAGES_MAX) - 1;
	return bpf_map_lookup_elem(&latency_times, &number);
}

/* That of a group. */
static __always_inline struct histogram *stage_times(struct latency_stages *group, __u32 direction,
						     __u32 from, __u32 to)
{
	__u32 number = stage_number(group, direction, from, to, &group_stages_used, config.group_stages);

	if (!number)
		return (void *)0;
	number = (number - 1) * (config.shards + 1) + (bpf_get_smp_processor_id() & config.shards);
	return bpf_map_lookup_elem(&latency_group_times, &number);
}

/* What no group has room for is counted with what is in none. 0: there is no room there either. */
static __always_inline int stage_add(struct latency_stages *group, __u32 direction, __u64 from, __u64 to)
{
	__u64 time = (to - from) & STAMP_TIME;
	struct histogram *times;

	from >>= LATENCY_HOOK_SHIFT;
	to >>= LATENCY_HOOK_SHIFT;
	if (config.keys && group) {
		times = stage_times(group, direction, from, to);
		if (times && config.shared) {
			hist_add_shared(times, time);
			return 1;
		}
		if (times) {
			hist_add(times, time);
			return 1;
		}
	}
	times = stage_times_of_all(direction, from, to);
	if (!times)
		return 0;
	hist_add(times, time);
	return 1;
}

/* The group of a packet, which may be a new one; none where all are taken. */
static __always_inline struct latency_stages *group_of(const struct latency_journey *journey)
{
	struct latency_group key = {};
	struct latency_stages *group;
	__u32 zero = 0;
	void *blank;

	if (config.keys & (FLOW_PARTS | LATENCY_KEY_FAMILY)) {
		key.flow = journey->flow;
		flow_keep(&key.flow, config.keys);
		if (config.keys & LATENCY_KEY_FAMILY)
			key.flow.version = journey->flow.version;
	}
	if (config.keys & LATENCY_KEYS_PLACE)
		key.netns = journey->netns;
	if (config.keys & LATENCY_KEY_INTERFACE)
		key.ifindex = journey->ifindex;
	if (config.keys & LATENCY_KEY_CPU)
		key.cpu = journey->first_cpu;
	if (config.keys & LATENCY_KEY_CGROUP)
		key.cgroup = journey->owner.cgroup;
	group = bpf_map_lookup_elem(&latency_groups, &key);
	if (group)
		return group;
	blank = bpf_map_lookup_elem(&latency_no_stages, &zero);
	/* Another CPU may be first. */
	if (blank)
		bpf_map_update_elem(&latency_groups, &key, blank, BPF_NOEXIST);
	return bpf_map_lookup_elem(&latency_groups, &key);
}

/* Notes how the place is called where a packet is taken up: at its end that is not known any more. */
static __always_inline void group_place(const struct sk_buff *skb, __u64 netns)
{
	struct net_device *dev = skb->dev;
	struct latency_place place = {.netns = netns};
	struct latency_place_names names = {};

	if (config.keys & LATENCY_KEY_INTERFACE)
		place.ifindex = dev->ifindex;
	if (bpf_map_lookup_elem(&latency_places, &place))
		return;
	names.first_ns = bpf_ktime_get_ns();
	names.netns = dev->nd_net.net->ns.inum;
	if (config.keys & LATENCY_KEY_INTERFACE)
		bpf_probe_read_kernel_str(names.interface, sizeof(names.interface), dev->name);
	bpf_map_update_elem(&latency_places, &place, &names, BPF_NOEXIST);
}

#endif
