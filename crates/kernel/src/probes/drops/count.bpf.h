/* SPDX-License-Identifier: GPL-2.0 */
/* Counting in groups. */
#ifndef PLUMB_DROPS_COUNT_BPF_H
#define PLUMB_DROPS_COUNT_BPF_H

#include "flow.bpf.h"
#include "packet.bpf.h"
#include "table.bpf.h"

/* The ethertype of what goes by the same name; address families of include/linux/socket.h. */
static __always_inline __u16 socket_ethertype(__u8 family)
{
	return family == 2 /* AF_INET */ ? ETHERTYPE_IPV4 : family == 10 /* AF_INET6 */ ? ETHERTYPE_IPV6 : 0;
}

static __always_inline void drop_details(struct drop *d, void *ctx, const struct drops_counters *counters,
					 struct drop_details *out)
{
	struct headers h;

	if (config.keys & (DROPS_KEYS_FLOW | DROPS_KEY_FAMILY))
		drop_headers(d, &h);
	if (config.keys & DROPS_KEYS_FLOW) {
		out->flow = h.flow;
		flow_keep(&out->flow, config.keys);
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
		out->ethertype = h.ethertype ? h.ethertype : socket_ethertype(d->socket_family);
		out->socket_family = out->ethertype ? 0 : d->socket_family;
	}
	if (config.keys & DROPS_KEY_STACK) {
		out->stack = bpf_get_stackid(ctx, &drops_stacks, 0);
		/* Why there is none must not tell groups apart. */
		if (out->stack < 0)
			out->stack = -1;
	}
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
	group->netns = d->netns;
	group->first = bpf_ktime_get_ns() >> DROPS_FIRST_SHIFT;
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

/* Where a group is in the CPU's bank: the number of its entry, from one on; where it is new, -1 less the
 * number of its slot in the index; zero where there is room for neither. */
static __always_inline int group_search(__u32 cpu, const struct drop_place *place,
					const struct drop_details *details)
{
	void *index = bpf_map_lookup_elem(&drops_index, &cpu);
	void *groups = bpf_map_lookup_elem(&drops_groups, &cpu);
	__u32 slot = group_hash(place, details);

	if (!index || !groups)
		return 0;
	for (int i = 0; i < TABLE_PROBES; i++) {
		__u32 at = (slot + i) & config.index_mask;
		__u32 entry = *(__u32 *)(index + at * sizeof(__u32));

		if (!entry)
			return -1 - (int)at;
		entry--;
		if (entry >= config.capacity)
			return 0;
		if (group_is(group_at(groups, entry), place, details))
			return entry + 1;
	}
	return 0;
}

/* A global function: the verifier checks the comparison of details once, rather than for every way that leads
 * here. */
__noinline int group_search_details(__u32 cpu, const struct drop_place *place,
				    const struct drop_details *details)
{
	if (!place || !details)
		return 0;
	return group_search(cpu, place, details);
}

/* The group's entry, made where it is new; null where the bank is full. */
static __always_inline struct drop_group *group_find(__u32 cpu, struct drops_counters *counters,
						     const struct drop *d, const struct drop_details *details)
{
	int found = config.keys & DROPS_KEYS_ENTRY ? group_search_details(cpu, &d->place, details)
						   : group_search(cpu, &d->place, details);
	void *index = bpf_map_lookup_elem(&drops_index, &cpu);
	void *groups = bpf_map_lookup_elem(&drops_groups, &cpu);
	__u64 entry = found > 0 ? found - 1 : counters->used;
	struct drop_group *group;

	/* Older verifiers (6.1) bound only the register that is compared: it is to be the one that is used.
	 */
	asm volatile("" : "+r"(entry));
	if (!found || !index || !groups || entry >= config.capacity)
		return (void *)0;
	group = group_at(groups, entry);
	if (found < 0) {
		group_start(group, d, details);
		*(__u32 *)(index + ((-1 - found) & config.index_mask) * sizeof(__u32)) = entry + 1;
		/* A barrier: a reader that sees the new count sees the entry's key. */
		__sync_fetch_and_add(&counters->used, 1);
	}
	return group;
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

#endif
