/* SPDX-License-Identifier: GPL-2.0 */
/* The packets on their way, and the keys that they are found by.
 *
 * A key's hash tells a bucket of a few places, of which every one has a journey: to find one, or that there
 * is none, is to look at one cache line, where a hash map costs a call, jhash and memcmp at each of some
 * thirty hooks. Whoever finds a bucket full is counted. */
#ifndef PLUMB_LATENCY_KEYS_BPF_H
#define PLUMB_LATENCY_KEYS_BPF_H

#include "state.bpf.h"
#include "table.bpf.h"

/* By place; 0: free. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before load */
	__type(key, __u32);
	__type(value, struct latency_bucket);
} latency_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before load */
	__type(key, __u32);
	__type(value, struct latency_journey);
} latency_journeys SEC(".maps");

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

enum key_const {
	WAITING_NUMBERS = 8192, /* of packets that wait at one socket */
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
	return sk << 16 | (number % WAITING_NUMBERS) << 3 | KEY_WAITING;
}

/* Where a key may be. All kinds of one address have the same. */
struct bucket {
	__u64 *keys;
	__u32 number;
};

static __always_inline struct bucket bucket_numbered(__u32 number)
{
	struct bucket bucket = {.number = number & config.mask};
	struct latency_bucket *found = bpf_map_lookup_elem(&latency_buckets, &bucket.number);

	bucket.keys = found ? found->keys : (void *)0;
	return bucket;
}

static __always_inline struct bucket bucket_of(__u64 key)
{
	return bucket_numbered(table_mix(key & ~(__u64)KEY_KINDS, 0) >> 32);
}

static __always_inline struct latency_journey *journey_at(__u32 place)
{
	return bpf_map_lookup_elem(&latency_journeys, &place);
}

static __always_inline struct latency_journey *journey_in(const struct bucket *bucket, __u64 key)
{
	if (!bucket->keys)
		return (void *)0;
#pragma unroll
	for (int way = 0; way < LATENCY_WAYS; way++)
		if (bucket->keys[way] == key)
			return journey_at(bucket->number * LATENCY_WAYS + way);
	return (void *)0;
}

static __always_inline struct latency_journey *journey_find(__u64 key)
{
	struct bucket bucket = bucket_of(key);

	return journey_in(&bucket, key);
}

/* What is parked is counted as lost already, and gives way. */
static __always_inline int key_take(__u64 *at, __u64 key, int full)
{
	__u64 before = *at;

	if (before && (!full || (before & KEY_KINDS) != KEY_PARKED))
		return 0;
	return __sync_val_compare_and_swap(at, before, key) == before;
}

static __always_inline struct latency_journey *journey_claim_in(const struct bucket *bucket, __u64 key)
{
	struct latency_journey *journey;

	if (!bucket->keys)
		return (void *)0;
#pragma unroll
	for (int way = 0; way < 2 * LATENCY_WAYS; way++) {
		if (!key_take(&bucket->keys[way % LATENCY_WAYS], key, way >= LATENCY_WAYS))
			continue;
		journey = journey_at(bucket->number * LATENCY_WAYS + way % LATENCY_WAYS);
		if (journey)
			journey->place = bucket->number * LATENCY_WAYS + way % LATENCY_WAYS;
		return journey;
	}
	return (void *)0;
}

static __always_inline struct latency_journey *journey_claim(__u64 key)
{
	struct bucket bucket = bucket_of(key);

	return journey_claim_in(&bucket, key);
}

/* The key of the journey at a place. */
static __always_inline __u64 *key_at(__u32 place)
{
	struct bucket bucket = bucket_numbered(place / LATENCY_WAYS);

	return bucket.keys ? &bucket.keys[place % LATENCY_WAYS] : (void *)0;
}

/* From now on it is found by another key, of the same bucket or by who remembers its place; 0: another CPU
 * has moved or ended it. */
static __always_inline int journey_rename(const struct latency_journey *journey, __u64 from, __u64 key)
{
	__u64 *at = key_at(journey->place);

	return at && __sync_val_compare_and_swap(at, from, key) == from;
}

/* The same of what this CPU has taken, and so alone; 0: its place is free. */
static __always_inline void journey_release(const struct latency_journey *journey, __u64 key)
{
	__u64 *at = key_at(journey->place);

	if (at)
		*at = key;
}

/* Moves it to a place of another key; null where there is none, or where another CPU has moved or ended it: a
 * packet's address may be used again while its socket finds its data. */
static __always_inline struct latency_journey *journey_move(struct latency_journey *journey, __u64 from,
							    __u64 key)
{
	__u64 *at = key_at(journey->place);
	struct latency_journey *there;
	__u32 place;

	if (!at || __sync_val_compare_and_swap(at, from, KEY_ENDING) != from)
		return (void *)0;
	there = journey_claim(key);
	if (!there) {
		*at = from;
		return (void *)0;
	}
	place = there->place;
	__builtin_memcpy(there, journey, sizeof(*there) - sizeof(there->owner));
	there->place = place;
	if (config.owners)
		there->owner = journey->owner;
	*at = 0;
	return there;
}

#endif
