/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Field groups that several records share. Structs here cross to Rust: explicit widths, widest first,
 * explicit padding, no pointers, no bitfields. Addresses are in network byte order, everything else in the
 * host's. */
#ifndef PLUMB_WIRE_H
#define PLUMB_WIRE_H

#include <linux/types.h>

enum wire_const {
	WIRE_COMM = 16,	     /* TASK_COMM_LEN */
	WIRE_IFNAME = 16,    /* IFNAMSIZ */
	WIRE_FILTER_MAX = 8, /* alternatives per filter word */
};

/* What has_ports and version leave unset is zero, so that equal flows have equal bytes. */
struct flow_key {
	__u8 src[16]; /* IPv4: the first four bytes */
	__u8 dst[16];
	__u16 src_port;
	__u16 dst_port;
	__u8 protocol;
	__u8 version; /* 4, 6, or 0 where there is no IP header */
	__u8 has_ports;
	__u8 _pad;
};
_Static_assert(sizeof(struct flow_key) == 40, "flow_key is five words");

/* Parts of a flow by which groups may be told apart. */
enum flow_part {
	FLOW_SRC_IP = 1 << 0,
	FLOW_DST_IP = 1 << 1,
	FLOW_SRC_PORT = 1 << 2,
	FLOW_DST_PORT = 1 << 3,
	FLOW_PROTOCOL = 1 << 4,
	FLOW_PARTS = 0x1f,
};

/* How a consumer of a ring wants to be woken. */
enum wakeup_mode {
	WAKEUP_ADAPTIVE = 0, /* at the first record after the consumer went idle */
	WAKEUP_NEVER = 1,    /* the consumer spins or has a timer */
};

/* Shared with the consumer of a ring through a mapped array. */
struct ring_control {
	__u32 idle; /* the consumer sleeps until it is woken; the kernel side clears it */
	__u32 _pad[15];
};
_Static_assert(sizeof(struct ring_control) == 64, "one cache line");

struct filter_prefix {
	__u64 address[2]; /* already masked */
	__u64 mask[2];
	__u32 version;
	__u32 _pad;
};

struct filter_ports {
	__u16 first;
	__u16 last;
};

struct filter_interface {
	__u64 netns; /* cookie */
	__u32 ifindex;
	__u32 _pad;
};

/* The common filter: alternatives of one word are or-ed, words are and-ed, a count of zero is a word not
 * given. */
struct filter_config {
	__u64 netns_cookie; /* 0 for all */
	__u64 cgroups[WIRE_FILTER_MAX];
	struct filter_prefix hosts[WIRE_FILTER_MAX];
	struct filter_prefix sources[WIRE_FILTER_MAX];
	struct filter_prefix destinations[WIRE_FILTER_MAX];
	struct filter_interface interfaces[WIRE_FILTER_MAX];
	__u32 pids[WIRE_FILTER_MAX];
	__u32 uids[WIRE_FILTER_MAX];
	__u8 comms[WIRE_FILTER_MAX][WIRE_COMM];
	struct filter_ports ports[WIRE_FILTER_MAX];
	struct filter_ports source_ports[WIRE_FILTER_MAX];
	struct filter_ports destination_ports[WIRE_FILTER_MAX];
	__u8 protocols[WIRE_FILTER_MAX];
	__u32 netns; /* inode, 0 for all */
	__u8 n_cgroups;
	__u8 n_hosts;
	__u8 n_sources;
	__u8 n_destinations;
	__u8 n_interfaces;
	__u8 n_pids;
	__u8 n_uids;
	__u8 n_comms;
	__u8 n_ports;
	__u8 n_source_ports;
	__u8 n_destination_ports;
	__u8 n_protocols;
};

#endif
