/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Frames at XDP and TC, read where they lie: no helper is called and nothing copied for headers in the linear
 * part, which is where drivers and the stack put them. What lies beyond is copied first. */
#ifndef PLUMB_FRAME_BPF_H
#define PLUMB_FRAME_BPF_H

#include "kernel.h"
#include "xdp.bpf.h"

#define PARSE_FRAMES

/* Bytes of a packet, or of a copy of its beginning. */
struct cursor {
	const unsigned char *head;
	const unsigned char *tail; /* of a packet: its end */
	__u32 copied;		   /* of a copy: its length; 0 of a packet */
};

enum frame_const {
	FRAME_COPY = 256,	 /* bytes in which headers are looked for where they are not linear */
	FRAME_FURTHEST = 0x3fff, /* eight extension headers of 2 KiB: no header begins later */
	FRAME_NO_VLAN = 0xffff,
	FRAME_ETHERNET = 14,
};

static __always_inline int cursor_read(const struct cursor *c, __u32 at, void *to, const __u32 size)
{
	const unsigned char *from;

	/* What was compared must be what is added, or the verifier does not know its bound. */
	asm volatile("" : "+r"(at));
	if (c->copied) {
		if (at > FRAME_COPY - size || at + size > c->copied)
			return -1;
		from = c->head + at;
	} else {
		if (at > FRAME_FURTHEST)
			return -1;
		from = c->head + at;
		/* And what was compared must be what is read from. */
		asm volatile("" : "+r"(from));
		if (from + size > c->tail)
			return -1;
	}
	__builtin_memcpy(to, from, size);
	return 0;
}

#include "parse.bpf.h"

/* A frame's headers. Lengths of a super-packet are those of the whole. */
struct frame {
	struct flow_key flow;
	struct transport transport;
	struct header_fields headers;
	__u32 length;	/* on the wire, as far as the hook knows: without preamble and checksum */
	__u32 payload;	/* bytes behind the headers, by what IP says of its length: padding is none of them */
	__u32 segments; /* packets that it is on the wire: over 1 of a super-packet (GSO, GRO) */
	__u32 segment_payload; /* of each but the last */
	__u16 ethertype;
	__u16 vlan; /* the outer id, or FRAME_NO_VLAN */
};

enum frame_kind {
	FRAME_IP = 0,
	FRAME_NOT_IP = 1,
	FRAME_MALFORMED = 2, /* an IP header that is not whole or not one */
};

static __always_inline void frame_measure(struct frame *frame)
{
	struct header_fields *h = &frame->headers;
	__u32 headers = (__u32)h->network_header + h->transport_header;

	frame->payload = h->ip_length > headers ? h->ip_length - headers : 0;
}

/* Parses what begins with an Ethernet header; *frame is zero but for what the hook knows (length, vlan of a
 * tag that is not in the bytes). */
static __always_inline enum frame_kind frame_headers(const struct cursor *c, struct frame *frame)
{
	__u32 at = FRAME_ETHERNET;
	__be16 ethertype = 0;
	int tag, status;

	if (cursor_read(c, 12, &ethertype, sizeof(ethertype)))
		return FRAME_NOT_IP;
	frame->ethertype = bpf_ntohs(ethertype);
	tag = read_tags(c, &at, &frame->ethertype);
	if (tag >= 0 && frame->vlan == FRAME_NO_VLAN)
		frame->vlan = tag;
	if (frame->ethertype == ETHERTYPE_IPV4)
		status = read_ipv4(c, at, &frame->flow, &frame->transport, &frame->headers);
	else if (frame->ethertype == ETHERTYPE_IPV6)
		status = read_ipv6(c, at, &frame->flow, &frame->transport, &frame->headers);
	else
		return FRAME_NOT_IP;
	if (status)
		return FRAME_MALFORMED;
	read_transport(c, &frame->transport, &frame->flow, &frame->headers);
	frame_measure(frame);
	return FRAME_IP;
}

struct frame_copy {
	unsigned char bytes[FRAME_COPY];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame_copy);
} frame_copies SEC(".maps");

/* Whether headers may go on where direct access does not reach. */
static __always_inline int frame_is_cut(const struct frame *frame, enum frame_kind kind)
{
	return kind != FRAME_IP || frame->headers.bits & (HEADERS_TRUNCATED | HEADERS_NO_OPTIONS);
}

static __always_inline void frame_clear(struct frame *frame, __u32 length, __u16 vlan)
{
	__builtin_memset(frame, 0, sizeof(*frame));
	frame->length = length;
	frame->vlan = vlan;
	frame->segments = 1;
}

/* How much of a frame is copied: 1 to FRAME_COPY in a way that the verifier of 6.1 follows. No frame is
 * empty, and one that were would not be copied. */
static __always_inline __u32 frame_copied(__u32 length)
{
	__u32 copied = length < FRAME_COPY ? length : FRAME_COPY;

	return ((copied - 1) & (FRAME_COPY - 1)) + 1;
}

/* Headers that are not all in the linear part: few frames. Global, as the other ways to parse a frame, so
 * that the verifier does not check for each way through the headers what comes after them. */
__noinline int frame_copy_xdp(struct xdp_md *xdp, struct frame *frame)
{
	struct cursor c = {};
	struct frame_copy *copy;
	__u32 zero = 0, length;

	if (!frame)
		return FRAME_NOT_IP;
	length = frame->length;
	copy = bpf_map_lookup_elem(&frame_copies, &zero);
	c.copied = frame_copied(length);
	if (!copy || bpf_xdp_load_bytes(xdp, 0, copy->bytes, c.copied))
		return FRAME_NOT_IP;
	c.head = copy->bytes;
	frame_clear(frame, length, FRAME_NO_VLAN);
	return frame_headers(&c, frame);
}

/* The length comes from the caller: kernels without the function that may tell it refuse a global one that
 * calls it, whatever its arguments will be. */
__noinline int frame_direct_xdp(struct xdp_md *xdp, struct frame *frame, __u32 length)
{
	struct cursor c = {.head = (void *)(long)xdp->data, .tail = (void *)(long)xdp->data_end};

	if (!frame)
		return FRAME_NOT_IP;
	frame_clear(frame, length, FRAME_NO_VLAN);
	return frame_headers(&c, frame);
}

/* An XDP program's frame: an enum frame_kind. */
static __always_inline int frame_of_xdp(struct xdp_md *xdp, struct frame *frame, __u8 kernel_context)
{
	int kind = frame_direct_xdp(xdp, frame, xdp_length(xdp, kernel_context));

	if (frame_is_cut(frame, kind) && frame->length > (__u32)(xdp->data_end - xdp->data))
		kind = frame_copy_xdp(xdp, frame);
	return kind;
}

/* What a socket buffer says of its packet that the bytes do not. The tag counts as on the wire. */
static __always_inline void frame_begin_skb(const struct __sk_buff *skb, struct frame *frame)
{
	frame_clear(frame, skb->len, FRAME_NO_VLAN);
	if (skb->vlan_present) {
		frame->vlan = skb->vlan_tci & 0x0fff;
		frame->length += 4;
	}
}

/* A super-packet of more than 64 KiB says 0 of its length (BIG TCP), and gso_segs is not set by everybody who
 * makes one: both follow from what the buffer holds. */
static __always_inline void frame_split(const struct __sk_buff *skb, struct frame *frame)
{
	if (!skb->gso_size)
		return;
	frame->headers.ip_length = skb->len - (frame->transport.at - frame->headers.network_header);
	frame_measure(frame);
	frame->segment_payload = skb->gso_size;
	frame->segments = (frame->payload + frame->segment_payload - 1) / frame->segment_payload;
	if (frame->segments < 2)
		frame->segments = 1;
}

__noinline int frame_copy_skb(struct __sk_buff *skb, struct frame *frame)
{
	struct cursor c = {};
	struct frame_copy *copy;
	__u32 zero = 0, length = skb->len;

	if (!frame)
		return FRAME_NOT_IP;
	copy = bpf_map_lookup_elem(&frame_copies, &zero);
	c.copied = frame_copied(length);
	if (!copy || bpf_skb_load_bytes(skb, 0, copy->bytes, c.copied))
		return FRAME_NOT_IP;
	c.head = copy->bytes;
	frame_begin_skb(skb, frame);
	return frame_headers(&c, frame);
}

__noinline int frame_direct_skb(struct __sk_buff *skb, struct frame *frame)
{
	struct cursor c = {.head = (void *)(long)skb->data, .tail = (void *)(long)skb->data_end};

	if (!frame)
		return FRAME_NOT_IP;
	frame_begin_skb(skb, frame);
	return frame_headers(&c, frame);
}

/* A TC program's frame: an enum frame_kind. */
static __always_inline int frame_of_skb(struct __sk_buff *skb, struct frame *frame)
{
	int kind = frame_direct_skb(skb, frame);

	if (frame_is_cut(frame, kind) && skb->len > (__u32)(skb->data_end - skb->data))
		kind = frame_copy_skb(skb, frame);
	if (kind == FRAME_IP)
		frame_split(skb, frame);
	return kind;
}

#endif
