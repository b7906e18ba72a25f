// SPDX-License-Identifier: GPL-2.0
/* Interrupts, softirqs and NAPI polls of the whole machine.
 *
 * What is included, since they nest:
 *  - a handler's time is its own and that of handlers it calls, as a demultiplexer does. Interrupts are off
 * in it, so nothing else comes between; of an interrupt that is shared each action has its own time;
 *  - a softirq's time has the interrupts in it that came meanwhile. Their own time is counted with them as
 *    well: the two are not to be added up. No other softirq is in it;
 *  - a softirq's wait is from when its vector was first raised on this CPU, with what was done there before
 * its turn: the interrupt's rest, vectors of lower numbers, and, where ksoftirqd has to do it, whatever ran
 *    before that.
 *
 * No program here can interrupt itself on a CPU: handlers run with interrupts off, as do raises, and a
 * softirq does not begin within another one. napi_poll can, by netpoll: that is skipped, and a recursion
 * miss. So everything of one CPU has one writer. */
#include "hist.bpf.h"
#include "irq.bpf.h"

const volatile struct irq_config irq_config = {};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct irqaction {
	const char *name;
};

struct napi_struct {
	struct net_device *dev;
	unsigned int napi_id;
};

#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct irq_lost);
} irq_losses SEC(".maps");

/* The number of a line's histogram. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, IRQ_LINES);
	__type(key, struct irq_line);
	__type(value, __u32);
} irq_lines SEC(".maps");

/* An action mostly runs on one CPU: a histogram for each pair that there is takes less than one for each CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IRQ_LINES);
	__type(key, __u32);
	__type(value, struct histogram);
} irq_times SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, IRQ_VECTORS);
	__type(key, __u32);
	__type(value, struct histogram);
} softirq_waits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, IRQ_VECTORS);
	__type(key, __u32);
	__type(value, struct histogram);
} softirq_times SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, IRQ_NAPIS);
	__type(key, struct irq_napi_key);
	__type(value, struct irq_napi);
} irq_napis SEC(".maps");

__u32 lines_used = 0;

/* Programs that run in each other count here: atomically. */
static __always_inline struct irq_lost *losses(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&irq_losses, &zero);
}

static __always_inline int lose(__u64 *count)
{
	__sync_fetch_and_add(count, 1);
	return 0;
}

/* The histogram of a line, which may be a new one; none where all are taken. */
static __always_inline struct histogram *line_times(const struct irq_line *line)
{
	__u32 *known = bpf_map_lookup_elem(&irq_lines, line), number;

	if (known) {
		number = *known;
	} else {
		/* Looked at first: else the number would go round. */
		if (lines_used >= IRQ_LINES)
			return (void *)0;
		number = __sync_fetch_and_add(&lines_used, 1);
		if (number >= IRQ_LINES || bpf_map_update_elem(&irq_lines, line, &number, BPF_NOEXIST))
			return (void *)0;
	}
	return bpf_map_lookup_elem(&irq_times, &number);
}

/* A vector as a place in an array. The barrier keeps the bound check on all 64 bits, where the verifier finds
 * it. */
static __always_inline __u64 place_of(__u32 vector)
{
	__u64 place = vector;

	barrier_var(place);
	return place;
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(irq_end, int irq, struct irqaction *action)
{
	struct irq_cpu *cpu = irq_cpu();
	struct irq_lost *lost = losses();
	struct irq_line line = {.irq = irq};
	struct histogram *times;
	__u64 now = bpf_ktime_get_ns(), since = 0;

	if (!cpu || !lost)
		return 0;
	for (int place = IRQ_NESTED - 1; place >= 0; place--) {
		if (since || place >= cpu->depth || cpu->handlers[place].action != (__u64)action)
			continue;
		since = cpu->handlers[place].since;
		cpu->depth = place;
	}
	if (!since)
		return lose(&lost->unmatched);
	if (!irq_config.tables)
		return 0;
	line.cpu = bpf_get_smp_processor_id();
	bpf_probe_read_kernel_str(line.name, sizeof(line.name), action->name);
	times = line_times(&line);
	if (!times)
		return lose(&lost->lines);
	hist_add(times, now - since);
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(irq_begin, int irq, struct irqaction *action)
{
	struct irq_cpu *cpu = irq_cpu();
	struct irq_lost *lost = losses();
	__u64 depth;

	if (!cpu || !lost)
		return 0;
	depth = cpu->depth;
	/* Deeper than any handlers nest: ends were not seen. */
	if (depth >= IRQ_NESTED) {
		lose(&lost->unmatched);
		depth = 0;
	}
	cpu->handlers[depth].action = (__u64)action;
	cpu->handlers[depth].since = bpf_ktime_get_ns();
	cpu->depth = depth + 1;
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_end, unsigned int number)
{
	struct irq_cpu *cpu = irq_cpu();
	struct histogram *times, *waits;
	__u64 vector = place_of(number), entered;
	__u32 key = vector;

	if (!cpu || vector >= IRQ_VECTORS || !cpu->entered[vector])
		return 0;
	entered = cpu->entered[vector];
	cpu->entered[vector] = 0;
	if (!irq_config.tables)
		return 0;
	times = bpf_map_lookup_elem(&softirq_times, &key);
	if (times)
		hist_add(times, bpf_ktime_get_ns() - entered);
	/* With the softirq itself: none is counted that waited and did not run. */
	waits = bpf_map_lookup_elem(&softirq_waits, &key);
	if (waits && cpu->waited[vector])
		hist_add(waits, entered - cpu->waited[vector]);
	return 0;
}

/* Softirqs run in rounds: all vectors that are raised when one begins, from the lowest number on. What was
 * raised IRQ_STALE rounds ago has run unseen. */
static __always_inline int stale(const struct irq_cpu *cpu, __u64 round)
{
	return cpu->round - round >= IRQ_STALE;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_begin, unsigned int number)
{
	struct irq_cpu *cpu = irq_cpu();
	struct irq_lost *lost = losses();
	__u64 raised, round, raising;
	__u64 vector = place_of(number);

	if (!cpu || !lost)
		return 0;
	if (vector >= IRQ_VECTORS)
		return lose(&lost->vectors);
	cpu->round += vector <= cpu->last;
	cpu->last = vector;
	/* In this order: an interrupt that raises the vector in between must not make an old time new, nor
	 * its own time that of an earlier raise. */
	round = *(volatile __u64 *)&cpu->round_of[vector];
	raising = *(volatile __u64 *)&cpu->raising;
	raised = *(volatile __u64 *)&cpu->raised[vector];
	if (vector == IRQ_NET_RX)
		*(volatile __u64 *)&cpu->raising = 0;
	*(volatile __u64 *)&cpu->raised[vector] = 0;
	if (raised && stale(cpu, round)) {
		lose(&lost->unmatched);
		raised = 0;
	}
	if (vector == IRQ_NET_RX)
		cpu->interrupt = raised ? raising : 0;
	cpu->waited[vector] = raised;
	cpu->entered[vector] = bpf_ktime_get_ns();
	return 0;
}

/* A vector may be raised many times before it runs once; its wait is from the first. One that is raised
 * between the beginning of a round and its turn there is raised for the next round too, whose wait is then
 * not known. */
SEC("tp_btf/softirq_raise")
int BPF_PROG(softirq_raised, unsigned int number)
{
	struct irq_cpu *cpu = irq_cpu();
	__u64 vector = place_of(number);

	if (!cpu || vector >= IRQ_VECTORS)
		return 0;
	if (cpu->raised[vector] && !stale(cpu, cpu->round_of[vector]))
		return 0;
	cpu->round_of[vector] = cpu->round;
	/* That of a demultiplexer, where it called the handler. */
	if (vector == IRQ_NET_RX)
		cpu->raising = cpu->depth ? cpu->handlers[0].since : 0;
	cpu->raised[vector] = bpf_ktime_get_ns();
	return 0;
}

static __always_inline struct irq_napi *napi_of(struct napi_struct *napi)
{
	struct net_device *dev = napi->dev;
	struct irq_napi_key key = {.napi_id = napi->napi_id};
	struct irq_napi *known, fresh = {};

	key.cpu = bpf_get_smp_processor_id();
	if (dev) {
		key.netns = dev->nd_net.net->net_cookie;
		key.ifindex = dev->ifindex;
	}
	known = bpf_map_lookup_elem(&irq_napis, &key);
	if (known)
		return known;
	if (dev)
		bpf_probe_read_kernel_str(fresh.device, sizeof(fresh.device), dev->name);
	bpf_map_update_elem(&irq_napis, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&irq_napis, &key);
}

SEC("tp_btf/napi_poll")
int BPF_PROG(napi_polled, struct napi_struct *napi, int work, int budget)
{
	struct irq_napi *polled = napi_of(napi);
	struct irq_lost *lost = losses();

	if (!polled)
		return lost ? lose(&lost->napis) : 0;
	polled->polls++;
	polled->packets += work > 0 ? work : 0;
	/* netpoll has a budget of 0: it wants completions only. */
	polled->exhausted += budget > 0 && work >= budget;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
