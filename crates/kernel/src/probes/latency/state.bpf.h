/* SPDX-License-Identifier: GPL-2.0 */
/* Config and maps of the latency probe, and the table of packets on their way.
 *
 * The table is an array that hashes to one of two neighbours: a lookup is two loads, where a hash map costs a
 * call, jhash and memcmp at each of some thirty hooks. Who finds both taken is counted. */
#ifndef PLUMB_LATENCY_STATE_BPF_H
#define PLUMB_LATENCY_STATE_BPF_H

#include "hist.bpf.h"
#include "kernel.h"
#include "latency.h"
#include "ring.bpf.h"
#include "table.bpf.h"

const volatile struct latency_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before load */
	__type(key, __u32);
	__type(value, struct latency_journey);
} latency_journeys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct latency_counters);
} latency_counters SEC(".maps");

/* By the number that latency_stages has for a pair of hooks. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LATENCY_STAGES_MAX);
	__type(key, __u32);
	__type(value, struct histogram);
} latency_times SEC(".maps");

/* One element: of what is in no group. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct latency_stages);
} latency_stages SEC(".maps");

/* Of each group. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before load */
	__type(key, struct latency_group);
	__type(value, struct latency_stages);
} latency_groups SEC(".maps");

/* What a group begins with, which does not fit on a stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct latency_stages);
} latency_no_stages SEC(".maps");

/* By a number that latency_groups has, times config.shards + 1. Not one for each CPU: many groups on a large
 * machine would take gigabytes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before load */
	__type(key, __u32);
	__type(value, struct histogram);
} latency_group_times SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before load */
	__type(key, struct latency_place);
	__type(value, struct latency_place_names);
} latency_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} latency_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring_control);
} latency_wake SEC(".maps");

__u32 stages_used = 0, group_stages_used = 0;

/* What this CPU is at. */
struct latency_cpu {
	__u64 gro;	/* address of the packet that GRO looks at */
	__u64 received; /* and of the one that the stack began with last */
	__u64 readable; /* the socket whose readers are being woken */
	__u64 since;	/* when that began */
	__u64 origin;	/* see origin_address */
	__u64 sender;	/* the UDP socket whose send call runs, and since when */
	__u64 sends_since;
	__u64 transport; /* the TCP socket or UDP packet that the transport sends, and since when */
	__u64 transport_since;
	__u64 routed; /* the packet that IP sends, and since when */
	__u64 routed_since;
	__u64 softirq; /* whether one runs, where processes are noted */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct latency_cpu);
} latency_cpus SEC(".maps");

static __always_inline struct latency_counters *counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&latency_counters, &zero);
}

static __always_inline struct latency_cpu *this_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&latency_cpus, &zero);
}

__u64 origin = 0;

/* What address_of has taken off: a pointer that comes back from memory is a number. */
static __always_inline __u64 origin_address(void)
{
	struct latency_cpu *cpu = this_cpu();

	if (!cpu)
		return 0;
	*(volatile __u64 *)&cpu->origin = (__u64)&origin;
	return *(volatile __u64 *)&cpu->origin;
}

/* Kinds of keys, in the lowest bits of an address. */
enum key_kind {
	KEY_RX = 1,
	KEY_TX = 2,
	KEY_WAITING = 3, /* of a socket, with the packet's number there */
	KEY_ENDING = 4,	 /* is being counted */
};

/* A kernel address as a number. The verifier takes no arithmetic on pointers but differences of two. */
static __always_inline __u64 address_of(const void *object)
{
	return (__u64)object - (__u64)&origin;
}

static __always_inline __u64 packet_key(__u64 skb, enum key_kind kind)
{
	return skb | kind;
}

/* The highest 16 bits of kernel addresses are the same. */
static __always_inline __u64 waiting_key(__u64 sk, __u32 number)
{
	return sk << 16 | (number & 0x3fff) << 2 | KEY_WAITING;
}

static __always_inline struct latency_journey *journey_at(__u64 key, __u32 way)
{
	__u32 place = ((__u32)(table_mix(key, 0) >> 32) ^ way) & config.mask;

	return bpf_map_lookup_elem(&latency_journeys, &place);
}

static __always_inline struct latency_journey *journey_find(__u64 key)
{
	struct latency_journey *journey = journey_at(key, 0);

	if (journey && journey->key == key)
		return journey;
	journey = journey_at(key, 1);
	return journey && journey->key == key ? journey : (void *)0;
}

static __always_inline struct latency_journey *journey_claim(__u64 key)
{
	struct latency_journey *journey = journey_at(key, 0);

	if (journey && !journey->key && !__sync_val_compare_and_swap(&journey->key, 0, key))
		return journey;
	journey = journey_at(key, 1);
	if (journey && !journey->key && !__sync_val_compare_and_swap(&journey->key, 0, key))
		return journey;
	return (void *)0;
}

#endif
