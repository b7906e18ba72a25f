/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Counting frames that are not IP, or not whole. */
#ifndef PLUMB_OTHERS_BPF_H
#define PLUMB_OTHERS_BPF_H

#include "frame.bpf.h"
#include "others.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, OTHERS_KINDS);
	__type(key, struct other_kind);
	__type(value, struct other_count);
} frame_others SEC(".maps");

/* Few kinds, and rare. What finds no room among the kinds is in the caller's count alone. */
static __noinline int others_add(const struct frame *frame, __u32 malformed)
{
	struct other_kind kind = {.ethertype = frame->ethertype, .malformed = malformed};
	struct other_count *count, none = {};

	count = bpf_map_lookup_elem(&frame_others, &kind);
	if (!count) {
		bpf_map_update_elem(&frame_others, &kind, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&frame_others, &kind);
	}
	if (!count)
		return 0;
	count->packets += frame->segments;
	count->bytes += frame->length;
	return 0;
}

#endif
