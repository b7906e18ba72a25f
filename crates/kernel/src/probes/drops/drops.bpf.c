// SPDX-License-Identifier: GPL-2.0
/* skb:kfree_skb: every packet that the kernel frees as dropped, counted in groups or streamed one by one. */
#include "kernel.h"
#include "count.bpf.h"
#include "select.bpf.h"
#include "stream.bpf.h"

SEC("tp_btf/kfree_skb")
int drops_kfree_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct drop d = {.place = {.location = ctx[1], .reason = (__u32)ctx[2]}};
	__u32 cpu = bpf_get_smp_processor_id();
	struct drops_counters *counters = bpf_map_lookup_elem(&drops_counters, &cpu);
	struct sock *rx_sk = (void *)0;

	if (!counters)
		return 0;
	counters->seen++;
	if (bpf_core_field_exists(struct trace_event_raw_kfree_skb, rx_sk))
		rx_sk = (void *)ctx[3];
	drop_describe(&d, skb, rx_sk);
	if (!drop_passes(&d, counters))
		return 0;
	if (config.events)
		drop_stream(&d, ctx, cpu, counters);
	else
		drop_count(&d, ctx, cpu, counters);
	return 0;
}

static __always_inline int softirq_mark(enum drops_context context)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct drops_counters *counters = bpf_map_lookup_elem(&drops_counters, &cpu);

	if (counters)
		counters->context = context;
	return 0;
}

SEC("tp_btf/softirq_entry")
int drops_irq_enter(void *ctx)
{
	return softirq_mark(DROPS_CONTEXT_INTERRUPT);
}

SEC("tp_btf/softirq_exit")
int drops_irq_leave(void *ctx)
{
	return softirq_mark(DROPS_CONTEXT_PROCESS);
}

char LICENSE[] SEC("license") = "GPL";
