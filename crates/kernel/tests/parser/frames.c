// SPDX-License-Identifier: GPL-2.0
/* The reading of frames at XDP and TC compiled for this machine: frames come on standard input and are
 * answered four times, at XDP and at TC, once whole in the linear part and once with the rest of it in
 * fragments. The address sanitizer watches that nothing outside the linear part is read, nor of a copy what
 * was not copied. */
#define PLUMB_KERNEL_H /* in place of bpf/kernel.h: what the reading of frames uses of it */
#include <arpa/inet.h>
#include <linux/types.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef __always_inline
#define __always_inline inline
#define __noinline	__attribute__((noinline))
#define __weak		__attribute__((weak))
#define __ksym
#define SEC(name)
#define __uint(name, value)	  int(*name)[value]
#define __type(name, value)	  typeof(value) *name
#define bpf_ntohs		  ntohs
#define bpf_ntohl		  ntohl
#define BPF_MAP_TYPE_PERCPU_ARRAY 6

struct xdp_buff {
	__u32 flags;
};

/* With pointers where the kernel's own have 32 bits, and the whole frame behind the linear part. */
struct xdp_md {
	const unsigned char *data;
	const unsigned char *data_end;
	const unsigned char *whole;
	__u32 length;
};

struct __sk_buff {
	const unsigned char *data;
	const unsigned char *data_end;
	const unsigned char *whole;
	__u32 len;
	__u32 vlan_present;
	__u32 vlan_tci;
	__u32 gso_size;
};

static unsigned char copied[256];

static long load(const unsigned char *from, __u32 length, void *to, __u32 size)
{
	__asan_unpoison_memory_region(copied, sizeof(copied));
	if (size > length || size > sizeof(copied))
		return -1;
	memcpy(to, from, size);
	__asan_poison_memory_region(copied + size, sizeof(copied) - size);
	return 0;
}

#define bpf_map_lookup_elem(map, key)		  ((void)(key), (void *)copied)
#define bpf_xdp_get_buff_len(xdp)		  ((xdp)->length)
#define bpf_xdp_load_bytes(xdp, offset, to, size) load((xdp)->whole + (offset), (xdp)->length, to, size)
#define bpf_skb_load_bytes(skb, offset, to, size) load((skb)->whole + (offset), (skb)->len, to, size)

#include "frame.bpf.h"

/* What comes before a frame's bytes. */
struct question {
	__u32 length;
	__u32 linear; /* bytes that are not in fragments */
	__u32 gso_size;
	__u32 tag; /* of a device that took it off: 1 and the TCI in the upper half; 0 where it took none */
};

struct answer {
	struct flow_key flow;
	__s32 kind;
	__u32 sequence;
	__u32 ack;
	__u32 length;
	__u32 ip_length;
	__u32 payload;
	__u32 segments;
	__u32 ip_id;
	__u16 vlan;
	__u16 window;
	__u16 tcp_flags;
	__u16 icmp_id;
	__u16 network_header;
	__u16 syn_mss;
	__u8 transport_header;
	__u8 ttl;
	__u8 tos;
	__u8 bits;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 syn_scale;
	__u8 _pad;
};

static int tell(int kind, const struct frame *f)
{
	const struct header_fields *h = &f->headers;
	struct answer a = {
		.flow = f->flow,
		.kind = kind,
		.sequence = f->transport.sequence,
		.ack = h->ack,
		.length = f->length,
		.ip_length = h->ip_length,
		.payload = f->payload,
		.segments = f->segments,
		.ip_id = h->ip_id,
		.vlan = f->vlan,
		.window = h->window,
		.tcp_flags = h->tcp_flags,
		.icmp_id = h->icmp_id,
		.network_header = h->network_header,
		.syn_mss = h->syn_mss,
		.transport_header = h->transport_header,
		.ttl = h->ttl,
		.tos = h->tos,
		.bits = h->bits,
		.icmp_type = h->icmp_type,
		.icmp_code = h->icmp_code,
		.syn_scale = h->syn_scale,
	};

	return fwrite(&a, sizeof(a), 1, stdout) != 1;
}

/* Exactly as large as what is there, so that the sanitizer sees one byte too many. */
static unsigned char *exactly(const unsigned char *bytes, __u32 length)
{
	unsigned char *copy = malloc(length);

	memcpy(copy, bytes, length);
	return copy;
}

static int answer(const struct question *q, const unsigned char *whole, __u32 linear)
{
	unsigned char *head = exactly(whole, linear);
	struct xdp_md xdp = {head, head + linear, whole, q->length};
	struct __sk_buff skb = {.data = head, .data_end = head + linear, .whole = whole, .len = q->length};
	struct frame frame;
	int kind, failed;

	kind = frame_of_xdp(&xdp, &frame, 0);
	failed = tell(kind, &frame);
	skb.gso_size = q->gso_size;
	skb.vlan_present = q->tag & 1;
	skb.vlan_tci = q->tag >> 16;
	kind = frame_of_skb(&skb, &frame);
	failed |= tell(kind, &frame);
	free(head);
	return failed;
}

int main(void)
{
	struct question q;

	while (fread(&q, sizeof(q), 1, stdin) == 1) {
		unsigned char *whole = malloc(q.length);

		if (q.linear > q.length || fread(whole, 1, q.length, stdin) != q.length)
			return 1;
		if (answer(&q, whole, q.length) || answer(&q, whole, q.linear))
			return 1;
		free(whole);
	}
	return 0;
}
