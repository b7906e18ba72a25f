/* SPDX-License-Identifier: GPL-2.0 */
/* Received TCP packets by their ports and where their data begins: by these they are found where their
 * address is no longer theirs. */
#ifndef PLUMB_LATENCY_SEGMENTS_BPF_H
#define PLUMB_LATENCY_SEGMENTS_BPF_H

#include "journey.bpf.h"

/* A received packet, by its ports and where its data begins. */
struct segment {
	__u64 key;
	__u32 ports;
	__u32 sequence;
	__u32 end;
	__u32 _pad;
};

/* The latest ones that have the same place. */
struct segments {
	struct segment segment[LATENCY_WAYS];
	__u32 noted;
	__u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* as many as there are buckets of keys; set before load */
	__type(key, __u32);
	__type(value, struct segments);
} latency_segments SEC(".maps");

enum segment_const {
	SEGMENT_BITS = 7, /* bytes of data for which there is one place of LATENCY_WAYS */
};

static __always_inline struct segments *segments_at(__u32 ports, __u32 sequence)
{
	/* Data that comes one after the other is noted in places that do, which caches foresee. */
	__u32 place = ((__u32)(data_hash(ports, 0) >> 32) + (sequence >> SEGMENT_BITS)) & config.mask;

	return bpf_map_lookup_elem(&latency_segments, &place);
}

static __always_inline void segment_note(const struct latency_journey *journey, __u64 key)
{
	struct segments *segments = segments_at(ports_of(journey), journey->sequence);
	struct segment *segment;

	if (!segments)
		return;
	segment = &segments->segment[segments->noted++ % LATENCY_WAYS];
	segment->key = key;
	segment->ports = ports_of(journey);
	segment->sequence = journey->sequence;
	segment->end = journey->end_sequence;
}

/* Of one that was sent twice, the first that is found. */
static __always_inline struct segment *segment_find(__u32 ports, __u32 sequence)
{
	struct segments *segments = segments_at(ports, sequence);

	if (!segments)
		return (void *)0;
	for (int way = 0; way < LATENCY_WAYS; way++) {
		struct segment *segment = &segments->segment[way];

		if (segment->sequence == sequence && segment->ports == ports)
			return segment;
	}
	return (void *)0;
}

#endif
