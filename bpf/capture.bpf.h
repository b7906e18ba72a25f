/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Frames of a capture: what of them user space tells before each test run. */
#ifndef PLUMB_CAPTURE_BPF_H
#define PLUMB_CAPTURE_BPF_H

#include "capture.h"
#include "kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_frame);
} capture_frames SEC(".maps");

static __always_inline const struct capture_frame *capture_frame(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&capture_frames, &zero);
}

#endif
