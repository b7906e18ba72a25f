/* SPDX-License-Identifier: GPL-2.0 */
/* The config and the maps of the drops probe. */
#ifndef PLUMB_DROPS_STATE_BPF_H
#define PLUMB_DROPS_STATE_BPF_H

#include "drops.h"
#include "kernel.h"

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

#endif
