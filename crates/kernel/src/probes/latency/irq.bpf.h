/* SPDX-License-Identifier: GPL-2.0 */
/* What each CPU is at: written by the programs of irq.bpf.c alone, read by them and by those that follow
 * packets, which are an object of their own and are given this map. */
#ifndef PLUMB_IRQ_BPF_H
#define PLUMB_IRQ_BPF_H

#include "irq.h"
#include "kernel.h"

struct irq_handler {
	__u64 action;
	__u64 since;
};

struct irq_cpu {
	__u64 raised[IRQ_VECTORS];   /* when first, 0: is not */
	__u64 round_of[IRQ_VECTORS]; /* what `round` was then */
	__u64 entered[IRQ_VECTORS];  /* when its softirq began, 0: does not run */
	__u64 waited[IRQ_VECTORS];   /* since when that had been raised, 0: not known */
	__u64 round;		     /* times that the vectors began again at a lower number */
	__u64 last;		     /* vector */
	__u64 raising;		     /* since when the interrupt runs that raised NET_RX first, 0: none */
	__u64 interrupt;	     /* the same, of the softirq that runs */
	__u64 depth;
	struct irq_handler handlers[IRQ_NESTED];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct irq_cpu);
} irq_cpus SEC(".maps");

static __always_inline struct irq_cpu *irq_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&irq_cpus, &zero);
}

#endif
