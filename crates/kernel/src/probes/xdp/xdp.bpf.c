// SPDX-License-Identifier: GPL-2.0
/* One verdict for every packet, counted per action and CPU, timed and streamed where asked. What was not
 * asked for is removed by the verifier, because the config is read-only data. */
#include "hist.bpf.h"
#include "kernel.h"
#include "ring.bpf.h"
#include "xdp.bpf.h"
#include "xdp.h"

const volatile struct xdp_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XDP_ACTIONS);
	__type(key, __u32);
	__type(value, struct xdp_count);
} xdp_counts SEC(".maps");

/* One entry where nothing is timed. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct histogram);
} xdp_times SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} xdp_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} xdp_perf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring_control);
} xdp_control SEC(".maps");

/* Back to where it came from: unless the addresses change places, the sender's host ignores the frame and
 * switches learn a wrong port. */
static __always_inline int xdp_reflect(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u16 *mac = data, kept;

	if (data + 14 > end)
		return XDP_ABORTED;
#pragma unroll
	for (int i = 0; i < 3; i++) {
		kept = mac[i];
		mac[i] = mac[i + 3];
		mac[i + 3] = kept;
	}
	return XDP_TX;
}

static __always_inline __u32 xdp_verdict(struct xdp_md *ctx)
{
	if (config.drop_below && bpf_get_prandom_u32() < config.drop_below)
		return XDP_DROP;
	if (config.action == XDP_TX)
		return xdp_reflect(ctx);
	return config.action;
}

static __always_inline void xdp_fill(struct xdp_event *e, __u64 start, __u32 took, __u32 length, __u32 action)
{
	e->time_ns = start;
	e->processing_ns = took;
	e->length = length;
	e->interface = config.interface;
	e->cpu = bpf_get_smp_processor_id();
	e->action = action;
	e->_pad[0] = e->_pad[1] = e->_pad[2] = 0;
}

static __always_inline void xdp_stream(struct xdp_md *ctx, struct xdp_count *count, __u64 start, __u32 took,
				       __u32 length, __u32 action)
{
	struct ring_control *control;
	struct xdp_event on_stack, *e;
	__u32 zero = 0;

	if (config.transport == XDP_TRANSPORT_PERF) {
		xdp_fill(&on_stack, start, took, length, action);
		if (bpf_perf_event_output(ctx, &xdp_perf, BPF_F_CURRENT_CPU, &on_stack, sizeof(on_stack)))
			count->lost++;
		else
			count->emitted++;
		return;
	}
	e = bpf_ringbuf_reserve(&xdp_ring, sizeof(*e), 0);
	if (!e) {
		count->lost++;
		return;
	}
	xdp_fill(e, start, took, length, action);
	control = bpf_map_lookup_elem(&xdp_control, &zero);
	ring_submit(e, control, config.wakeup);
	count->emitted++;
}

static const char xdp_names[XDP_ACTIONS][12] = {"ABORTED", "DROP", "PASS", "TX", "REDIRECT"};

static __always_inline void xdp_print(__u32 action, __u32 length, __u64 took)
{
	const char *name = action < XDP_ACTIONS ? xdp_names[action] : "?";

	if (config.time)
		bpf_printk("plumb: %s, %u bytes, %llu ns", name, length, took);
	else
		bpf_printk("plumb: %s, %u bytes", name, length);
}

SEC("xdp.frags")
int xdp_run(struct xdp_md *ctx)
{
	__u64 start = 0, took = 0;
	struct histogram *times;
	struct xdp_count *count;
	__u32 action, length;

	if (config.time || config.transport)
		start = bpf_ktime_get_ns();
	action = xdp_verdict(ctx);
	if (config.time)
		took = bpf_ktime_get_ns() - start;
	length = xdp_length(ctx, config.kernel_context);
	count = bpf_map_lookup_elem(&xdp_counts, &action);
	if (!count)
		return action;
	count->packets++;
	count->bytes += length;
	if (config.time) {
		times = bpf_map_lookup_elem(&xdp_times, &action);
		if (times)
			hist_add(times, took);
	}
	if (config.transport)
		xdp_stream(ctx, count, start, took >> 32 ? 0xffffffff : took, length, action);
	if (config.print)
		xdp_print(action, length, took);
	return action;
}

char LICENSE[] SEC("license") = "GPL";
