/* SPDX-License-Identifier: GPL-2.0 */
/* The interrupt and the softirq that delivered a packet, where the programs of irq.bpf.c run too. */
#ifndef PLUMB_LATENCY_SOFTIRQ_BPF_H
#define PLUMB_LATENCY_SOFTIRQ_BPF_H

#include "irq.bpf.h"
#include "journey.bpf.h"

/* This CPU, where NET_RX runs on it. */
static __always_inline const struct irq_cpu *softirq_here(void)
{
	const struct irq_cpu *cpu = config.irq ? irq_cpu() : (void *)0;

	return cpu && cpu->entered[IRQ_NET_RX] ? cpu : (void *)0;
}

/* Stamps what came after `earlier`. What did not was for other packets: this one joined them. */
static __always_inline void softirq_stamps(struct latency_journey *journey, const struct irq_cpu *cpu,
					   __u64 earlier)
{
	if (cpu->entered[IRQ_NET_RX] <= earlier)
		return;
	if (cpu->interrupt > earlier)
		stamp_at(journey, LATENCY_INTERRUPT, cpu->interrupt);
	if (cpu->waited[IRQ_NET_RX] > earlier)
		stamp_at(journey, LATENCY_RAISED, cpu->waited[IRQ_NET_RX]);
	stamp_at(journey, LATENCY_SOFTIRQ, cpu->entered[IRQ_NET_RX]);
}

/* The driver hands a packet over in the poll of its device. One that came out of a veth's other end was given
 * to that `sent`; 0: it came from elsewhere. */
static __always_inline void softirq_delivered(struct latency_journey *journey, __u64 sent)
{
	const struct irq_cpu *cpu = softirq_here();

	if (cpu)
		softirq_stamps(journey, cpu, sent);
}

/* The stack begins with a packet, which may have waited for that since the driver handed it over: in a CPU's
 * backlog, or in GRO. */
static __always_inline void softirq_waited(struct latency_journey *journey)
{
	const struct irq_cpu *cpu = softirq_here();

	if (cpu && last_hook(journey) == LATENCY_DRIVER)
		softirq_stamps(journey, cpu, last_time(journey));
}

#endif
