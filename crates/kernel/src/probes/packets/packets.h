/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the programs that write a record per packet and their reader share. */
#ifndef PLUMB_PACKETS_H
#define PLUMB_PACKETS_H

#include "wire.h"

enum packets_hook {
	PACKETS_XDP = 1,
	PACKETS_INGRESS = 2,
	PACKETS_EGRESS = 3,
	PACKETS_CAPTURE = 4, /* none: the frame is of a capture, and its place is not known */
};

/* What else is known of a packet, and what its headers were like. */
enum packets_known {
	PACKETS_FIRST_FRAGMENT = 1 << 0,
	PACKETS_LATER_FRAGMENT = 1 << 1,
	PACKETS_TRUNCATED = 1 << 2,
	PACKETS_HAS_ID = 1 << 3,
	PACKETS_HAS_VLAN = 1 << 4,
	PACKETS_HAS_TRANSPORT = 1 << 5,
};

/* One packet. */
struct packet_event {
	__u64 time_ns; /* CLOCK_MONOTONIC, or the capture's own */
	struct flow_key flow;
	__u32 sequence;
	__u32 ack;
	__u32 frame_length;
	__u32 ip_length;
	__u32 payload;
	__u32 segments;
	__u32 ip_id;
	__u32 ifindex;
	__u32 rx_queue; /* of XDP */
	__u32 cpu;
	__u16 vlan;
	__u16 window;
	__u16 tcp_flags;
	__u16 icmp_id;
	__u16 network_header;
	__u8 transport_header;
	__u8 ttl;
	__u8 tos;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 hook;  /* enum packets_hook */
	__u8 known; /* enum packets_known */
	__u8 _pad[7];
};
_Static_assert(sizeof(struct packet_event) == 112, "no hidden padding");

/* A CPU's account, in packets as on the wire: what reached a hook is in one of the others. */
struct packets_counters {
	__u64 seen;
	__u64 filtered;
	__u64 sampled_out;
	__u64 not_ip;
	__u64 malformed;
	__u64 emitted;
	__u64 lost; /* no room in the ring */
	__u64 _pad;
};
_Static_assert(sizeof(struct packets_counters) == 64, "one cache line");

struct packets_config {
	struct filter_config filter;
	__u32 sample;	     /* keep one in this many; 0 and 1 keep all */
	__u8 wakeup;	     /* enum wakeup_mode */
	__u8 drop;	     /* instead of letting packets pass: to measure what observing costs */
	__u8 kernel_context; /* the kernel gives its xdp_buff: bpf_cast_to_kern_ctx, 6.2 */
	__u8 capture;	     /* time and length come from struct capture_frame */
};

#endif
