/* SPDX-License-Identifier: GPL-2.0 */
/* TCP sockets: packets lose their identity there, their sequence numbers remain. */
#ifndef PLUMB_LATENCY_SOCKET_BPF_H
#define PLUMB_LATENCY_SOCKET_BPF_H

#include "journey.bpf.h"

enum sender_const {
	SENDER_FAR = 1 << 30, /* more than any window, and less than what sequence numbers can compare */
};

/* What a socket was told to send, and when. */
struct send {
	__u64 time;
	__u32 sequence;
	__u32 _pad;
};

/* The process that gave a socket all data since a sequence number. */
struct sender {
	__u32 pid; /* 0: none yet */
	__u32 since;
	__u8 comm[WIRE_COMM];
};

/* Packets that wait at a socket have the numbers head to tail - 1; those before `readable` can be read. */
struct waiting {
	__u64 sk;
	__u32 head;
	__u32 tail;
	__u32 readable;
	__u32 sends;
	__u64 filled; /* the packet that the last send call added to */
	__u32 place;  /* of the packet that came when nobody waited */
	__u32 _pad;
	struct send send[LATENCY_SENDS];
	struct sender sender;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LATENCY_SOCKETS);
	__type(key, __u32);
	__type(value, struct waiting);
} latency_sockets SEC(".maps");

static __always_inline struct waiting *waiting_at(__u64 sk, __u32 way)
{
	__u32 place = ((__u32)(table_mix(sk, 0) >> 32) ^ way) & (LATENCY_SOCKETS - 1);

	return bpf_map_lookup_elem(&latency_sockets, &place);
}

static __always_inline struct waiting *waiting_find(__u64 sk)
{
	struct waiting *waiting = waiting_at(sk, 0);

	if (waiting && waiting->sk == sk)
		return waiting;
	waiting = waiting_at(sk, 1);
	return waiting && waiting->sk == sk ? waiting : (void *)0;
}

/* A socket at whose packets nobody waits gives its place to another. */
static __always_inline int waiting_take(struct waiting *waiting, __u64 sk)
{
	__u64 before;

	if (!waiting)
		return 0;
	before = waiting->sk;
	if (before && waiting->head != waiting->tail)
		return 0;
	if (__sync_val_compare_and_swap(&waiting->sk, before, sk) != before)
		return 0;
	waiting->head = waiting->tail = waiting->readable = waiting->sends = 0;
	waiting->sender.pid = 0;
	return 1;
}

static __always_inline struct waiting *waiting_make(__u64 sk)
{
	struct waiting *waiting = waiting_find(sk);

	if (waiting)
		return waiting;
	waiting = waiting_at(sk, 0);
	if (waiting_take(waiting, sk))
		return waiting;
	waiting = waiting_at(sk, 1);
	return waiting_take(waiting, sk) ? waiting : (void *)0;
}

static __always_inline int after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* The packet with this number. */
static __always_inline struct latency_journey *waiting_at_number(const struct waiting *waiting, __u64 sk,
								 __u32 number)
{
	__u64 key = waiting_key(sk, number), *first = key_at(waiting->place);

	if (first && *first == key)
		return journey_at(waiting->place);
	return journey_find(key);
}

/* From its address to its socket's queue: what is its journey from now on; null where that was the end of it.
 * Who comes when nobody waits stays at its place, because its address is no other's as long as it waits: only
 * what is behind it can be merged into it. */
static __always_inline struct latency_journey *waiting_put(struct latency_journey *journey, __u64 key,
							   __u64 sk)
{
	struct waiting *waiting = waiting_make(sk);
	struct latency_journey *there;

	if (!waiting || waiting->tail - waiting->head >= WAITING_NUMBERS) {
		journey_end(journey, key, LATENCY_NO_ROOM);
		return (void *)0;
	}
	if (waiting->head == waiting->tail) {
		waiting->place = journey->place;
		journey_rename(journey, waiting_key(sk, waiting->tail++));
		return journey;
	}
	there = journey_move(journey, key, waiting_key(sk, waiting->tail));
	if (there)
		waiting->tail++;
	else
		journey_end(journey, key, LATENCY_NO_ROOM);
	return there;
}

static __always_inline struct latency_journey *waiting_add(struct latency_journey *journey, __u64 key,
							   struct sock *socket)
{
	owner_socket(journey, socket);
	if (config.owned && !owner_socket_passes(journey)) {
		journey_end(journey, key, LATENCY_FILTERED);
		return (void *)0;
	}
	return waiting_put(journey, key, address_of(socket));
}

/* What can be read by now. */
struct ready {
	__u64 sk;
	__u64 now;
	__u32 received; /* data up to this can */
	__u32 number;	/* of the packet that is looked at */
	__u32 all;	/* those before it can */
	__u32 _pad;
};

/* One packet. Global, and so verified once. */
__noinline int waiting_ready(struct waiting *waiting, struct ready *ready)
{
	struct latency_journey *journey;

	if (!waiting || !ready)
		return 0;
	journey = waiting_at_number(waiting, ready->sk, ready->number);
	if (journey && after(journey->end_sequence, ready->received)) {
		ready->all = 0;
	} else if (journey && last_hook(journey) < LATENCY_READABLE) {
		if (journey->flags & JOURNEY_OUT_OF_ORDER)
			stamp_at(journey, LATENCY_IN_ORDER, ready->now);
		stamp_at(journey, LATENCY_READABLE, ready->now);
		journey->sk = ready->sk;
	}
	ready->number++;
	if (ready->all)
		waiting->readable = ready->number;
	return 0;
}

/* Data up to `received` can be read. */
static __always_inline void waiting_readable(struct waiting *waiting, __u64 sk, __u32 received, __u64 now)
{
	struct ready ready = {
		.sk = sk,
		.now = now,
		.received = received,
		.number = waiting->readable,
		.all = 1,
	};

	for (int i = 0; i < LATENCY_READY && ready.number != waiting->tail; i++)
		waiting_ready(waiting, &ready);
}

/* Before the data at `sequence` the sender may have been another one. */
static __always_inline void sender_note(struct waiting *waiting, __u32 sequence)
{
	__u8 comm[WIRE_COMM] __attribute__((aligned(8))) = {};
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct sender *sender = &waiting->sender;

	if (!(config.owners & OWNER_PROCESS))
		return;
	bpf_get_current_comm(comm, sizeof(comm));
	if (sender->pid != pid || !filter_comm_is(sender->comm, comm)) {
		sender->pid = pid;
		sender->since = sequence;
		__builtin_memcpy(sender->comm, comm, sizeof(comm));
	} else if (sequence - sender->since > SENDER_FAR) {
		sender->since = sequence - SENDER_FAR;
	}
}

/* Who gave a socket the data of a packet, where that is known. */
static __always_inline void sender_copy(struct latency_journey *journey, __u64 sk)
{
	struct waiting *waiting;

	if (!(config.owners & OWNER_PROCESS))
		return;
	waiting = waiting_find(sk);
	if (!waiting || after(waiting->sender.since, journey->sequence))
		return;
	journey->owner.pid = waiting->sender.pid;
	__builtin_memcpy(journey->owner.comm, waiting->sender.comm, sizeof(journey->owner.comm));
}

/* `skb`: what the socket adds the data to; 0: a packet of its own. A packet was given to the socket when its
 * first byte was. */
static __always_inline void send_note(__u64 sk, __u64 skb, __u32 sequence)
{
	struct waiting *waiting = waiting_make(sk);
	__u32 last;

	if (!waiting)
		return;
	sender_note(waiting, sequence);
	last = (waiting->sends - 1) & (LATENCY_SENDS - 1);
	if (waiting->sends && (waiting->send[last].sequence == sequence || (skb && waiting->filled == skb)))
		return;
	waiting->filled = skb;
	last = waiting->sends & (LATENCY_SENDS - 1);
	waiting->send[last].sequence = sequence;
	waiting->send[last].time = bpf_ktime_get_ns();
	waiting->sends++;
}

/* When the data at this sequence number was given to the socket; 0 where that is not known any more. */
static __always_inline __u64 send_time(__u64 sk, __u32 sequence)
{
	struct waiting *waiting = waiting_find(sk);
	__u32 number;

	if (!waiting)
		return 0;
	number = waiting->sends;
	for (int i = 0; i < LATENCY_SENDS; i++) {
		struct send *send;

		if (!number)
			break;
		send = &waiting->send[--number & (LATENCY_SENDS - 1)];
		if (!after(send->sequence, sequence))
			return send->time;
	}
	return 0;
}

#endif
