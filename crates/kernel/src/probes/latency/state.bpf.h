/* SPDX-License-Identifier: GPL-2.0 */
/* Config of the latency probe, and what its hooks share but the packets on their way. */
#ifndef PLUMB_LATENCY_STATE_BPF_H
#define PLUMB_LATENCY_STATE_BPF_H

#include "hist.bpf.h"
#include "kernel.h"
#include "latency.h"
#include "ring.bpf.h"

const volatile struct latency_config config = {};

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
	__u64 softirq;	    /* whether one runs, where processes are noted */
	__u64 split;	    /* the key of a packet that was split here last, 0: none that goes on */
	__u64 split_sk;	    /* its socket */
	__u64 segment;	    /* the part of it that the driver has */
	__u64 datagrams_of; /* the key of a packet that was split for its UDP socket here last */
	__u32 datagrams;    /* of it that the socket did not get yet */
	__u32 _pad;
	__u32 split_left;  /* bytes of data that the driver did not get yet */
	__u32 split_bytes; /* of headers, in each part */
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

/* One more. A softirq may come between a process's reading of a CPU's counter and its writing. */
static __always_inline void count_one(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline struct latency_cpu *this_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&latency_cpus, &zero);
}

#endif
