/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the drops probe and its reader share. */
#ifndef PLUMB_DROPS_H
#define PLUMB_DROPS_H

#include "wire.h"

enum drops_const {
	DROPS_NOISE_MAX = 32,
	DROPS_REASONS_MAX = 32,
	DROPS_STACK_DEPTH = 32,
	DROPS_SNAPLEN_MAX = 16384,
	DROPS_ANY_REASON = 0xffffffff,
	DROPS_FIRST_SHIFT = 20, /* a millisecond: the counter lasts 52 days */
};

/* Grouping keys beyond reason, location, interface and namespace. */
enum drops_key {
	DROPS_KEY_SRC_IP = FLOW_SRC_IP,
	DROPS_KEY_DST_IP = FLOW_DST_IP,
	DROPS_KEY_SRC_PORT = FLOW_SRC_PORT,
	DROPS_KEY_DST_PORT = FLOW_DST_PORT,
	DROPS_KEY_PROTOCOL = FLOW_PROTOCOL,
	DROPS_KEY_PID = 1 << 5,
	DROPS_KEY_COMM = 1 << 6,
	DROPS_KEY_UID = 1 << 7,
	DROPS_KEY_CGROUP = 1 << 8,
	DROPS_KEY_CPU = 1 << 9,
	DROPS_KEY_FAMILY = 1 << 10,
	DROPS_KEY_STACK = 1 << 11,
	DROPS_KEYS_FLOW = FLOW_PARTS,
	DROPS_KEYS_SOCKET = DROPS_KEY_UID | DROPS_KEY_CGROUP,
	DROPS_KEYS_PROCESS = DROPS_KEY_PID | DROPS_KEY_COMM,
	/* The keys that live in the entry: the CPU is the bank. */
	DROPS_KEYS_ENTRY = 0xfff & ~DROPS_KEY_CPU,
};

/* Whether the running process is the one that the packet belongs to. */
enum drops_context {
	DROPS_CONTEXT_UNKNOWN = 0,
	DROPS_CONTEXT_PROCESS = 1,
	DROPS_CONTEXT_INTERRUPT = 2,
};

/* How the context is told. */
enum drops_context_source {
	DROPS_SOURCE_NONE = 0,
	DROPS_SOURCE_PREEMPT_COUNT = 1, /* the kernel's own counter, where its address is known */
	DROPS_SOURCE_SOFTIRQ_FLAG = 2,	/* what the softirq tracepoints last said on this CPU */
};

enum drops_known { /* which optional fields hold a value */
		   DROPS_HAS_IFINDEX = 1 << 0,
		   DROPS_HAS_NETNS = 1 << 1,
		   DROPS_HAS_VLAN = 1 << 2,
		   DROPS_HAS_SOCKET = 1 << 3, /* uid and cgroup */
		   DROPS_HAS_TCP_FLAGS = 1 << 4,
		   DROPS_CAPTURED_ETHERNET =
			   1 << 5, /* captured bytes begin with an Ethernet header, else with an IP one */
};

/* What every group is told apart by: three words. */
struct drop_place {
	__u64 location;
	__u64 netns; /* cookie: inodes are used again. 0: no namespace known */
	__u32 reason;
	__u32 ifindex; /* 0: no device known */
};
_Static_assert(sizeof(struct drop_place) == 24, "three words");

/* What --by adds: unasked parts are zero. */
struct drop_details {
	struct flow_key flow;
	__u64 cgroup;
	__u8 comm[WIRE_COMM];
	__u32 pid;
	__u32 uid;
	__s32 stack; /* id in drops_stacks, negative where the kernel could not take one */
	__u16 ethertype;
	__u8 socket_family;
	__u8 context; /* enum drops_context */
	__u8 has_socket;
	__u8 _pad[7];
};
_Static_assert(sizeof(struct drop_details) == 88, "eleven words");

/* One group in a CPU's bank. The first cache line is all that a group without details touches. */
struct drop_group {
	struct drop_place place;
	__u64 packets;
	__u64 bytes;
	__u8 interface[WIRE_IFNAME]; /* as it was at the group's first packet */
	__u32 netns;		     /* inode */
	__u32 first;		     /* when that was: CLOCK_MONOTONIC in units of 2^DROPS_FIRST_SHIFT ns */
	struct drop_details details;
};
_Static_assert(sizeof(struct drop_group) == 152, "a cache line and the details");

/* One bank per CPU, written by the programs of that CPU only. */
struct drops_counters {
	__u64 seen;
	__u64 filtered;
	__u64 hidden; /* within filtered */
	__u64 sampled_out;
	__u64 aggregated;
	__u64 ungrouped; /* within aggregated */
	__u64 ungrouped_bytes;
	__u64 emitted;
	__u64 lost_ring;
	__u32 used;    /* entries of this CPU's bank */
	__u32 context; /* enum drops_context by softirq tracepoints, unknown before the first */
	__u64 _pad[6];
};
_Static_assert(sizeof(struct drops_counters) == 128, "two cache lines");

struct drop_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 location;
	__u64 cgroup;
	__u64 netns_cookie;
	struct flow_key flow;
	struct flow_key inner;
	__u32 reason;
	__u32 ifindex;
	__u32 netns;
	__u32 length;
	__u32 pid;
	__u32 uid;
	__u32 cpu;
	__u32 known;	/* enum drops_known */
	__u32 original; /* length of the packet from where the captured bytes begin */
	__u16 ethertype;
	__u16 vlan;
	__u16 rx_queue;	  /* as the driver recorded it plus one; 0 where it did not */
	__u16 stack_size; /* bytes of stack in the tail's first part */
	__u16 captured;	  /* bytes of packet in the tail's second part */
	__u8 socket_family;
	__u8 tcp_flags;
	__u8 tunnel;  /* enum tunnel_kind */
	__u8 context; /* enum drops_context */
	__u8 comm[WIRE_COMM];
	__u8 interface[WIRE_IFNAME];
	__u8 _pad[6];
};
_Static_assert(sizeof(struct drop_event) == 200, "no hidden padding");

struct drops_noise {
	__u64 start; /* function's address range; 0 to any: no symbol asked */
	__u64 end;
	__u32 reason;	     /* DROPS_ANY_REASON: no reason asked */
	__u32 socket_family; /* 0: no family asked */
};

/* Written once between load and attach: it needs symbols, which are read while the kernel verifies the
 * programs. */
struct drops_late {
	struct drops_noise noise[DROPS_NOISE_MAX];
	__u64 preempt_count;  /* per-CPU offset of the kernel's counter, or of the struct pcpu_hot that holds
				 it */
	__u64 per_cpu_offset; /* address of the kernel's table of per-CPU bases */
	__u32 n_noise;
	__u32 context_source; /* enum drops_context_source */
	__u32 in_pcpu_hot;
	__u32 _pad;
};

struct drops_config {
	struct filter_config filter;
	__u32 reasons[DROPS_REASONS_MAX];
	__u32 not_reasons[DROPS_REASONS_MAX];
	__u32 n_reasons;
	__u32 n_not_reasons;
	__u32 keys;	/* enum drops_key */
	__u32 capacity; /* groups per CPU */
	__u32 index_mask;
	__u32 stride;  /* bytes per group: up to the details, or with them */
	__u32 sample;  /* keep one in this many; 0 and 1 keep all */
	__u32 snaplen; /* bytes of packet to capture, a multiple of 8 */
	__u8 events;   /* a record per packet instead of groups */
	__u8 stack;    /* kernel stack in events */
	__u8 wakeup;   /* enum wakeup_mode */
	__u8 _pad[5];
};

#endif
