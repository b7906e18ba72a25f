// SPDX-License-Identifier: GPL-2.0
/* The latency probe's programs compiled for this machine: reads steps of packets from standard input, runs
 * the programs of each, and answers with the journeys that ended and, last, with the counters. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "latency.bpf.c"

enum host_const {
	PLACES = 16, /* addresses that packets may have */
	CPUS = 2,
	MASK = 0x3fff, /* of buckets */
	SOCKETS = 64,
	MAPS = 32,
	LAST = 0xffffffff, /* in place of a packet's number: counters follow */
};

enum op {
	OP_RECEIVED, /* a packet comes into being */
	OP_SEGMENT,  /* likewise, of TCP */
	OP_SENT,
	OP_OTHER,
	OP_DRIVER, /* and passes hooks */
	OP_RECEIVE,
	OP_READABLE,
	OP_QUEUE,
	OP_START,
	OP_DRIVEN,
	OP_MERGED,
	OP_CONSUMED, /* and is freed */
	OP_DROPPED,
	OP_UNSEEN,
	OP_LATE, /* the driver of the packet before returns */
};

struct step {
	__u8 op;
	__u8 place;
	__u8 cpu;
	__u8 _pad;
	__u32 packet;
};

struct ended {
	__u32 packet;
	__u32 outcome;
	__u64 step;
	__u64 count;
	__u64 stamps[LATENCY_STAMPS];
};

__u32 this_step_cpu;
__u64 this_step;

static struct sk_buff packets[PLACES], queued;
static unsigned char bytes[PLACES][64];
static struct sock sockets[PLACES];
static struct net netns;
static struct net_device device = {.ifindex = 1, .nd_net = {.net = &netns}};

static struct {
	const void *map;
	char *values;
} maps[MAPS];

void *map_value(const void *map, int type, __u32 entries, __u32 size, __u32 place)
{
	int at = 0;

	if (type != BPF_MAP_TYPE_ARRAY && type != BPF_MAP_TYPE_PERCPU_ARRAY)
		return NULL;
	if (map == (const void *)&latency_buckets || map == (const void *)&latency_segments)
		entries = MASK + 1;
	if (map == (const void *)&latency_journeys)
		entries = LATENCY_WAYS * (MASK + 1);
	if (map == (const void *)&latency_tcp_sockets || map == (const void *)&latency_udp_sockets) {
		entries = SOCKETS;
		size = map == (const void *)&latency_tcp_sockets ? sizeof(struct tcp_socket)
								 : sizeof(struct udp_socket);
	}
	while (maps[at].map && maps[at].map != map)
		at++;
	if (!maps[at].map) {
		maps[at].map = map;
		maps[at].values = calloc((size_t)entries * CPUS, size);
	}
	if (place >= entries)
		return NULL;
	if (type == BPF_MAP_TYPE_PERCPU_ARRAY)
		place += this_step_cpu * entries;
	return maps[at].values + (size_t)place * size;
}

static void answer(const struct ended *ended)
{
	if (fwrite(ended, sizeof(*ended), 1, stdout) != 1)
		exit(1);
}

/* The number of a packet is its source address. */
void submitted(const void *record)
{
	const struct latency_event *event = record;
	struct ended ended = {.outcome = event->outcome, .step = this_step, .count = event->journey.count};

	memcpy(&ended.packet, event->journey.flow.src, sizeof(ended.packet));
	memcpy(ended.stamps, event->journey.stamps, sizeof(ended.stamps));
	answer(&ended);
}

/* UDP or TCP over IPv4 with some data. No two packets of TCP have the same sequence number. */
static void make(struct sk_buff *skb, const struct step *step)
{
	unsigned char *header = bytes[step->place];
	__u32 sequence = htonl(step->packet * sizeof(bytes[0]));

	memset(header, 0, sizeof(bytes[0]));
	header[0] = 0x45;
	header[9] = PROTOCOL_UDP;
	memcpy(header + 12, &step->packet, sizeof(step->packet));
	if (step->op == OP_SEGMENT) {
		header[9] = PROTOCOL_TCP;
		memcpy(header + 24, &sequence, sizeof(sequence));
		header[32] = 5 << 4;
	}
	memset(skb, 0, sizeof(*skb));
	skb->dev = &device;
	skb->protocol = htons(0x0800);
	skb->head = skb->data = header;
	skb->len = skb->tail = sizeof(bytes[0]);
	skb->transport_header = 20;
	skb->prev = &queued;
	skb->sk = step->op == OP_SENT ? &sockets[step->place] : NULL;
}

static void run(const struct step *step)
{
	struct sk_buff *skb = &packets[step->place];
	struct sock *sk = &sockets[step->place];

	switch (step->op) {
	case OP_RECEIVED:
	case OP_SEGMENT:
	case OP_SENT:
	case OP_OTHER:
		make(skb, step);
		break;
	case OP_DRIVER:
		skb->sk = NULL; /* a veth's other end: skb_orphan */
		on_netif_rx(skb);
		break;
	case OP_RECEIVE:
		on_receive(skb);
		skb->skb_iif = 1;
		break;
	case OP_READABLE:
		sk->sk_protocol = PROTOCOL_UDP;
		sk->sk_receive_queue.prev = skb;
		on_readable(sk);
		break;
	case OP_QUEUE:
		on_queue(skb);
		break;
	case OP_START:
		on_start(skb);
		break;
	case OP_DRIVEN:
	case OP_LATE:
		on_driven(skb, 0);
		break;
	case OP_MERGED:
		on_gro(skb);
		on_gro_done(0);
		break;
	case OP_CONSUMED:
		on_consumed(skb);
		break;
	case OP_DROPPED:
		on_dropped(skb, NULL, 3);
		break;
	}
}

static struct ended sums(void)
{
	struct ended ended = {.packet = LAST};

	for (this_step_cpu = 0; this_step_cpu < CPUS; this_step_cpu++) {
		const struct latency_counters *count = counters();

		ended.stamps[0] += count->seen;
		ended.stamps[1] += count->emitted;
		ended.stamps[2] += count->outcomes[LATENCY_STRAYED];
		ended.stamps[5] += count->parked - count->found;
		ended.stamps[6] += count->no_stage;
		ended.stamps[3] += count->filtered + count->no_room + count->outcomes[LATENCY_NO_ROOM];
	}
	for (__u32 number = 0; number <= MASK; number++) {
		const struct latency_bucket *bucket = bpf_map_lookup_elem(&latency_buckets, &number);

		for (int way = 0; way < LATENCY_WAYS; way++)
			ended.stamps[4] += bucket->keys[way] && (bucket->keys[way] & KEY_KINDS) != KEY_PARKED;
	}
	return ended;
}

/* Events; or, with an argument, histograms, of which there are as many left as it says. */
int main(int arguments, char **argument)
{
	struct latency_config *writable = (void *)&config;
	size_t page = sysconf(_SC_PAGESIZE);
	struct ended last;
	struct step step;

	if (mprotect((void *)((size_t)writable & -page), 2 * page, PROT_READ | PROT_WRITE))
		return 1;
	writable->mask = MASK;
	writable->sockets = writable->queues = SOCKETS - 1;
	writable->sample = 1;
	writable->events = arguments == 1;
	if (arguments > 1)
		stages_used = LATENCY_STAGES_MAX - atoi(argument[1]);
	while (fread(&step, sizeof(step), 1, stdin) == 1) {
		this_step++;
		this_step_cpu = step.cpu % CPUS;
		step.place %= PLACES;
		run(&step);
	}
	last = sums();
	answer(&last);
	return 0;
}
