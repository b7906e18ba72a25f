/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Config and maps of the flows. Entries are as long as the level has them, and buckets as many as were asked
 * for: user space sets both before it loads. */
#ifndef PLUMB_FLOWS_STATE_BPF_H
#define PLUMB_FLOWS_STATE_BPF_H

#include "capture.bpf.h"
#include "filter.bpf.h"
#include "flows.h"
#include "frame.bpf.h"
#include "others.bpf.h"
#include "ring.bpf.h"
#include "table.bpf.h"

const volatile struct flows_config config = {};
const volatile struct filter_config filter = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flows_bucket);
} flows_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct flows_entry));
} flows_entries SEC(".maps");

/* Flows and segments that a packet ended. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} flows_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring_control);
} flows_control SEC(".maps");

/* One bank per CPU; user space sets how many. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flows_counters);
} flows_counts SEC(".maps");

/* What of an entry this level has, in bytes. */
static __always_inline __u32 entry_size(void)
{
	if (config.level == FLOWS_BASIC)
		return __builtin_offsetof(struct flows_entry, stats);
	if (config.level == FLOWS_STATS)
		return __builtin_offsetof(struct flows_entry, full);
	return sizeof(struct flows_entry) + config.firsts * sizeof(struct flows_first);
}

#endif
