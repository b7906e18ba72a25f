/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The table of flows: entries in buckets of fifteen, whose words fill a cache line. User space maps both and
 * takes entries out by itself.
 *
 * Why not a HASH: its elements are given out again at once when user space deletes them, so that a program
 * which has just found one may write into another flow; a spin lock and the lookup are calls that cost more
 * than all of counting (docs/journal). XDP and TC programs run with softirqs off and are not nested on a CPU,
 * so that who holds a word is another CPU, and for the length of one update. */
#ifndef PLUMB_FLOWS_SLOTS_BPF_H
#define PLUMB_FLOWS_SLOTS_BPF_H

#include "state.bpf.h"

enum slots_const {
	SLOTS_PATIENCE =
		1 << 18, /* looks at a locked word: milliseconds, as a CPU may be interrupted meanwhile */
	SLOTS_INSERTING = 1 << 0,
	SLOTS_SECOND = 1 << 1,
	SLOTS_NONE = FLOWS_SLOTS,
};

/* Where a key may stand. */
struct place {
	__u64 hash;
	__u32 first;
	__u32 second;
	__u32 word; /* what its word is while it lives, but for its version and whether it is locked */
};

static __always_inline struct place slots_place(const struct flows_key *key)
{
	const __u64 *words = (const __u64 *)key;
	struct place place;
	__u64 hash = 0;

	/* Independent products, which a CPU computes side by side. */
#pragma unroll
	for (int i = 0; i < 6; i++)
		hash += (words[i] ^ (words[i] >> 32)) * config.seeds[i];
	hash ^= hash >> 32;
	hash *= 0xbf58476d1ce4e5b9ULL;
	hash ^= hash >> 29;
	place.hash = hash;
	place.first = ((hash >> 32) * config.buckets) >> 32;
	place.second = ((hash & 0xffffffff) * config.buckets) >> 32;
	place.word = (((__u32)(hash >> 16) << FLOWS_TAG_SHIFT) & FLOWS_TAG_MASK) | FLOWS_LIVE;
	return place;
}

static __always_inline struct flows_bucket *slots_bucket(__u32 number)
{
	return bpf_map_lookup_elem(&flows_buckets, &number);
}

static __always_inline struct flows_entry *slots_entry(__u32 bucket, __u32 slot)
{
	__u32 number = bucket * FLOWS_SLOTS + slot;

	return bpf_map_lookup_elem(&flows_entries, &number);
}

/* The key's word, or another's, without what changes while it lives. */
static __always_inline __u32 slots_identity(__u32 word)
{
	return word & (FLOWS_TAG_MASK | FLOWS_LIVE | FLOWS_CLOSING);
}

/* The first slot from `from` on with this identity; SLOTS_NONE where there is none. A global function, so
 * that what follows is verified once and not for each slot. */
__noinline __u32 slots_match(const struct flows_bucket *bucket, __u32 identity, __u32 from)
{
	if (!bucket)
		return SLOTS_NONE;
	for (__u32 i = 0; i < FLOWS_SLOTS; i++) {
		if (i >= from && slots_identity(*(volatile __u32 *)&bucket->words[i]) == identity)
			return i;
	}
	return SLOTS_NONE;
}

enum slots_lock {
	SLOTS_HELD = 0,
	SLOTS_GONE = 1,	   /* it is another flow's by now, or user space takes it */
	SLOTS_TIMEOUT = 2, /* held for longer than a packet waits */
};

struct waiting {
	__u32 *word;
	__u32 identity;
	__u32 result;
};

/* One attempt; it is not the last word where another holds it. */
static __always_inline __u32 slots_try(__u32 *word, __u32 identity)
{
	__u32 found = *(volatile __u32 *)word;

	if (slots_identity(found) != identity)
		return SLOTS_GONE;
	if (found & FLOWS_LOCKED)
		return SLOTS_TIMEOUT;
	return __sync_val_compare_and_swap(word, found, found | FLOWS_LOCKED) == found ? SLOTS_HELD
										       : SLOTS_TIMEOUT;
}

static long slots_look(__u32 index, void *data)
{
	struct waiting *w = data;

	w->result = slots_try(w->word, w->identity);
	return w->result != SLOTS_TIMEOUT;
}

static __noinline int slots_wait(struct flows_bucket *bucket, __u32 slot, __u32 identity)
{
	struct waiting w = {.identity = identity, .result = SLOTS_TIMEOUT};

	if (slot >= FLOWS_SLOTS)
		return SLOTS_GONE;
	w.word = &bucket->words[slot];
	bpf_loop(SLOTS_PATIENCE, slots_look, &w, 0);
	return w.result;
}

static __always_inline int slots_lock(struct flows_bucket *bucket, __u32 slot, __u32 identity)
{
	int status;

	if (slot >= FLOWS_SLOTS)
		return SLOTS_GONE;
	status = slots_try(&bucket->words[slot], identity);
	return status == SLOTS_TIMEOUT ? slots_wait(bucket, slot, identity) : status;
}

/* A fetching addition is fully ordered everywhere, and on x86 one instruction. The lock's bit is known to be
 * set, and nobody else writes to the word; the version is its upper bits, out of which it overflows. */
static __always_inline void slots_unlock(struct flows_bucket *bucket, __u32 slot)
{
	if (slot < FLOWS_SLOTS)
		__sync_fetch_and_add(&bucket->words[slot], FLOWS_VERSION - FLOWS_LOCKED);
}

static __always_inline int slots_same(const struct flows_key *a, const struct flows_key *b)
{
	return !table_differs((const __u64 *)a, (const __u64 *)b, sizeof(*a) / 8);
}

/* An entry that is ours until it is given back. */
struct held {
	struct flows_bucket *bucket;
	struct flows_entry *entry;
	__u32 slot;
	__u8 fresh; /* nothing but the key is in it */
	__u8 full;
	__u8 timeout;
};

/* Looks for the key in one bucket and locks its entry. Two keys with one word are as rare as equal hashes of
 * 29 bits: then the first is looked behind. */
static __always_inline int slots_find_in(__u32 number, const struct place *place, const struct flows_key *key,
					 struct held *held)
{
	struct flows_bucket *bucket = slots_bucket(number);
	struct flows_entry *entry;
	__u32 slot = 0;
	int status;

	if (!bucket)
		return 0;
	for (int tries = 0; tries < 3; tries++) {
		slot = slots_match(bucket, place->word, slot);
		if (slot >= FLOWS_SLOTS)
			return 0;
		entry = slots_entry(number, slot);
		if (!entry)
			return 0;
		status = slots_lock(bucket, slot, place->word);
		if (status == SLOTS_HELD && slots_same(&entry->key, key)) {
			held->bucket = bucket;
			held->entry = entry;
			held->slot = slot;
			return 1;
		}
		if (status == SLOTS_HELD)
			slots_unlock(bucket, slot);
		if (status == SLOTS_TIMEOUT) {
			held->timeout = 1;
			return 1;
		}
		slot++;
	}
	return 0;
}

static __always_inline int slots_find(const struct place *place, const struct flows_key *key,
				      struct held *held)
{
	struct flows_bucket *home;

	if (slots_find_in(place->first, place, key, held))
		return 1;
	home = slots_bucket(place->first);
	if (!home || !(*(volatile __u32 *)&home->lock & SLOTS_SECOND))
		return 0;
	return slots_find_in(place->second, place, key, held);
}

/* Takes a free slot of a bucket. Others may take it first, whose home is another bucket. */
static __always_inline int slots_claim(__u32 number, const struct place *place, struct held *held)
{
	struct flows_bucket *bucket = slots_bucket(number);
	__u32 slot = 0;

	if (!bucket)
		return 0;
	for (int tries = 0; tries < 4; tries++) {
		slot = slots_match(bucket, FLOWS_FREE, 0);
		if (slot >= FLOWS_SLOTS)
			return 0;
		if (__sync_val_compare_and_swap(&bucket->words[slot], FLOWS_FREE,
						place->word | FLOWS_LOCKED) != FLOWS_FREE)
			continue;
		held->bucket = bucket;
		held->slot = slot;
		held->entry = slots_entry(number, slot);
		return held->entry != 0;
	}
	return 0;
}

static long slots_look_home(__u32 index, void *data)
{
	struct waiting *w = data;
	__u32 found = *(volatile __u32 *)w->word;

	if (found & SLOTS_INSERTING)
		return 0;
	if (__sync_val_compare_and_swap(w->word, found, found | SLOTS_INSERTING) != found)
		return 0;
	w->result = SLOTS_HELD;
	return 1;
}

/* Begins an entry. Who inserts holds the key's first bucket, and looks again once it does, so that a key
 * never has two entries. Inserting is rare beside finding, so it is a function of its own. */
static __noinline int slots_insert(const struct place *place, const struct flows_key *key, struct held *held)
{
	struct flows_bucket *home = slots_bucket(place->first);
	struct waiting w = {.result = SLOTS_TIMEOUT};

	if (!home)
		return 0;
	w.word = &home->lock;
	bpf_loop(SLOTS_PATIENCE, slots_look_home, &w, 0);
	if (w.result != SLOTS_HELD) {
		held->timeout = 1;
		return 1;
	}
	if (!slots_find(place, key, held)) {
		held->fresh = slots_claim(place->first, place, held);
		if (!held->fresh && slots_claim(place->second, place, held)) {
			held->fresh = 1;
			__sync_fetch_and_or(&home->lock, SLOTS_SECOND);
		}
		held->full = !held->fresh;
		/* Before 6.2 the verifier does not remember that a fresh one has an entry. */
		if (held->fresh && held->entry)
			held->entry->key = *key;
	}
	__sync_fetch_and_add(&home->lock, -SLOTS_INSERTING);
	return 1;
}

#endif
