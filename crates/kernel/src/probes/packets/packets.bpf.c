// SPDX-License-Identifier: GPL-2.0
/* A record per packet, at XDP and at TC both ways. Packets go on unchanged. */
#include "capture.bpf.h"
#include "frame.bpf.h"
#include "filter.bpf.h"
#include "others.bpf.h"
#include "packets.h"
#include "ring.bpf.h"

/* TC_ACT_UNSPEC and TC_ACT_SHOT of include/uapi/linux/pkt_cls.h: the next program or filter is asked. */
enum tc_verdict { TC_NEXT = -1, TC_SHOT = 2 };

const volatile struct packets_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* one bank per CPU */
	__type(key, __u32);
	__type(value, struct packets_counters);
} packets_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} packets_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring_control);
} packets_control SEC(".maps");

/* Where a packet is. */
struct place {
	__u64 now;
	__u32 ifindex;
	__u32 rx_queue;
	__u32 cpu;
	enum packets_hook hook;
};

static __always_inline __u8 packets_known(const struct frame *frame)
{
	__u8 known = 0;

	if (frame->headers.bits & HEADERS_FIRST_FRAGMENT)
		known |= PACKETS_FIRST_FRAGMENT;
	if (frame->headers.bits & HEADERS_LATER_FRAGMENT)
		known |= PACKETS_LATER_FRAGMENT;
	if (frame->headers.bits & HEADERS_TRUNCATED)
		known |= PACKETS_TRUNCATED;
	if (frame->headers.bits & HEADERS_ID)
		known |= PACKETS_HAS_ID;
	if (frame->vlan != FRAME_NO_VLAN)
		known |= PACKETS_HAS_VLAN;
	if (frame->headers.transport_header)
		known |= PACKETS_HAS_TRANSPORT;
	return known;
}

static __always_inline void packets_fill(struct packet_event *e, const struct frame *frame,
					 const struct place *place)
{
	const struct header_fields *h = &frame->headers;

	e->time_ns = place->now;
	e->flow = frame->flow;
	e->sequence = frame->transport.sequence;
	e->ack = h->ack;
	e->frame_length = frame->length;
	e->ip_length = h->ip_length;
	e->payload = frame->payload;
	e->segments = frame->segments;
	e->ip_id = h->ip_id;
	e->ifindex = place->ifindex;
	e->rx_queue = place->rx_queue;
	e->cpu = place->cpu;
	e->vlan = frame->vlan;
	e->window = h->window;
	e->tcp_flags = h->tcp_flags;
	e->icmp_id = h->icmp_id;
	e->network_header = h->network_header;
	e->transport_header = h->transport_header;
	e->ttl = h->ttl;
	e->tos = h->tos;
	e->icmp_type = h->icmp_type;
	e->icmp_code = h->icmp_code;
	e->hook = place->hook;
	e->known = packets_known(frame);
	__builtin_memset(e->_pad, 0, sizeof(e->_pad));
}

static __always_inline void packets_emit(const struct frame *frame, const struct place *place,
					 struct packets_counters *counters)
{
	struct ring_control *control;
	struct packet_event *e;
	__u32 zero = 0;

	e = bpf_ringbuf_reserve(&packets_ring, sizeof(*e), 0);
	if (!e) {
		counters->lost += frame->segments;
		return;
	}
	packets_fill(e, frame, place);
	control = bpf_map_lookup_elem(&packets_control, &zero);
	ring_submit(e, control, config.wakeup);
	counters->emitted += frame->segments;
}

/* What becomes of a packet is counted once, on the CPU where it is: softirqs are off at all three hooks, so
 * that none interrupts another there. */
static __always_inline void packets_take(const struct frame *frame, enum frame_kind kind, struct place *place)
{
	struct packets_counters *counters;

	place->cpu = bpf_get_smp_processor_id();
	counters = bpf_map_lookup_elem(&packets_counts, &place->cpu);
	if (!counters)
		return;
	counters->seen += frame->segments;
	if (kind != FRAME_IP) {
		if (kind == FRAME_MALFORMED)
			counters->malformed += frame->segments;
		else
			counters->not_ip += frame->segments;
		others_add(frame, kind == FRAME_MALFORMED);
		return;
	}
	if (!filter_headers(&config.filter, &frame->flow)) {
		counters->filtered += frame->segments;
		return;
	}
	if (config.sample > 1 && bpf_get_prandom_u32() % config.sample) {
		counters->sampled_out += frame->segments;
		return;
	}
	packets_emit(frame, place, counters);
}

static __always_inline void packets_from_capture(struct frame *frame, struct place *place)
{
	const struct capture_frame *captured = capture_frame();

	place->hook = PACKETS_CAPTURE;
	if (!captured)
		return;
	place->now = captured->time_ns;
	frame->length = captured->length;
}

SEC("xdp.frags")
int packets_xdp(struct xdp_md *ctx)
{
	struct place place = {.now = bpf_ktime_get_ns(), .hook = PACKETS_XDP};
	struct frame frame __attribute__((aligned(8)));
	enum frame_kind kind = frame_of_xdp(ctx, &frame, config.kernel_context);

	place.ifindex = ctx->ingress_ifindex;
	place.rx_queue = ctx->rx_queue_index;
	if (config.capture)
		packets_from_capture(&frame, &place);
	packets_take(&frame, kind, &place);
	return config.drop ? XDP_DROP : XDP_PASS;
}

static __always_inline int packets_tc(struct __sk_buff *skb, enum packets_hook hook)
{
	struct place place = {.now = bpf_ktime_get_ns(), .hook = hook};
	struct frame frame __attribute__((aligned(8)));
	enum frame_kind kind = frame_of_skb(skb, &frame);

	place.ifindex = skb->ifindex;
	packets_take(&frame, kind, &place);
	return config.drop ? TC_SHOT : TC_NEXT;
}

SEC("tc")
int packets_ingress(struct __sk_buff *skb)
{
	return packets_tc(skb, PACKETS_INGRESS);
}

SEC("tc")
int packets_egress(struct __sk_buff *skb)
{
	return packets_tc(skb, PACKETS_EGRESS);
}

char LICENSE[] SEC("license") = "GPL";
