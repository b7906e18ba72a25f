/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the latency probe and its reader share. */
#ifndef PLUMB_LATENCY_H
#define PLUMB_LATENCY_H

#include "hist.h"
#include "wire.h"

enum latency_const {
	LATENCY_WAYS = 4,	  /* places of a bucket */
	LATENCY_STAMPS = 16,	  /* hooks that one journey remembers */
	LATENCY_HOOKS = 32,	  /* numbers that enum latency_hook may have */
	LATENCY_STAGES_MAX = 128, /* pairs of hooks that have a histogram */
	LATENCY_TASKS = 1024,	  /* readers of sockets */
	LATENCY_SENDS = 64,	  /* send calls that a socket remembers: a send buffer of 4 MB */
	LATENCY_HOOK_SHIFT = 58,  /* a stamp is a hook's number above nanoseconds, which last nine years */
	LATENCY_PARTS = 512,	  /* that are looked for in one that was merged: 17 pieces of 32 KiB */
	LATENCY_SCAN = 64,	  /* packets of a socket that one event finds read */
	LATENCY_CLOSED = 4096,	  /* that one event finds closed unread */
	LATENCY_READY = 1024,	  /* that one event finds to be readable */
	LATENCY_GROUP_STAGES =
		32,	       /* histograms for each group; one that needs more takes what others leave */
	LATENCY_SHARDS = 8,    /* histograms of a group's stage at most: CPUs beyond share them */
	LATENCY_PLACES = 1024, /* interfaces, or namespaces, whose names are known */
	LATENCY_READS = 4,     /* datagrams that one event finds read at most */
	LATENCY_QUEUED = 512,  /* that are known of one of them: a default receive buffer has 277 */
};

/* Where a packet is stamped, in the order in which it gets there. */
enum latency_hook {
	LATENCY_NONE = 0,
	LATENCY_INTERRUPT = 1, /* its handler begins, which raises NET_RX */
	LATENCY_RAISED = 2,    /* NET_RX */
	LATENCY_SOFTIRQ = 3,   /* and it begins */
	LATENCY_DRIVER =
		4, /* the driver hands the packet over: napi_gro_receive, netif_rx, netif_receive_skb */
	LATENCY_RECEIVE = 5,	    /* __netif_receive_skb_core */
	LATENCY_IP = 6,		    /* ip_rcv, ipv6_rcv */
	LATENCY_LOCAL = 7,	    /* ip_local_deliver, ip6_input */
	LATENCY_TRANSPORT = 8,	    /* tcp_v4_rcv, udp_rcv, and those of IPv6 */
	LATENCY_SOCKET = 9,	    /* the socket's protocol begins with it: tcp_rcv_established */
	LATENCY_DATA_QUEUE = 10,    /* tcp_data_queue */
	LATENCY_IN_ORDER = 11,	    /* the hole before its data is filled */
	LATENCY_READABLE = 12,	    /* sk_data_ready */
	LATENCY_WOKEN = 13,	    /* the reader was woken for it */
	LATENCY_RUNNING = 14,	    /* the reader has a CPU */
	LATENCY_COPIED = 15,	    /* the reader has all of its data */
	LATENCY_SEND = 16,	    /* the send call */
	LATENCY_TRANSPORT_OUT = 17, /* __tcp_transmit_skb, udp_send_skb */
	LATENCY_IP_OUT = 18,	    /* ip_output, ip6_output */
	LATENCY_QUEUE = 19,	    /* __dev_queue_xmit */
	LATENCY_ENQUEUE = 20,	    /* in a queueing discipline */
	LATENCY_DEQUEUE = 21,	    /* and out of it */
	LATENCY_TO_DRIVER = 22,	    /* ndo_start_xmit */
	LATENCY_FROM_DRIVER = 23,   /* it returned */
	LATENCY_FREED = 24,	    /* after the device was done with it */
};

enum latency_direction {
	LATENCY_RX = 1,
	LATENCY_TX = 2,
	LATENCY_FORWARD = 3, /* received and sent on */
};

/* What became of a packet. */
enum latency_outcome {
	LATENCY_DELIVERED = 0,	 /* an application has all of its data */
	LATENCY_TRANSMITTED = 1, /* the driver took it */
	LATENCY_FORWARDED = 2,	 /* the same, of a packet that was received */
	LATENCY_DROPPED = 3,	 /* kfree_skb */
	LATENCY_MERGED = 4,	 /* by GRO into an earlier one */
	LATENCY_CONSUMED = 5,	 /* by the stack itself */
	LATENCY_UNREAD = 6,	 /* its socket was closed before it was read */
	LATENCY_STRAYED = 7,	 /* freed unseen: its address belongs to another packet now */
	LATENCY_NO_ROOM = 8,	 /* for it at its socket, or for its stamps */
	LATENCY_FILTERED = 9,	 /* somebody else's than was asked for */
	LATENCY_OUTCOMES = 10,
};

enum journey_flag {
	JOURNEY_OUT_OF_ORDER = 1 << 0,
	JOURNEY_CROSSED = 1 << 1,    /* to the other end of a veth */
	JOURNEY_FULL = 1 << 2,	     /* it came by more hooks than it has room for */
	JOURNEY_HAS_SOCKET = 1 << 3, /* its owner's uid and cgroup are known */
};

/* Whose a packet is. */
struct latency_owner {
	__u64 cgroup; /* of its socket: id */
	__u32 uid;    /* likewise */
	__u32 pid;    /* of the process that reads or sent it; 0: unknown */
	__u8 comm[WIRE_COMM];
};
_Static_assert(sizeof(struct latency_owner) == 32, "four words");

/* What of that is wanted. */
enum owner_part {
	OWNER_SOCKET = 1 << 0,
	OWNER_PROCESS = 1 << 1,
};

/* Keys of groups; those of a flow are enum flow_part. */
enum latency_key {
	LATENCY_KEY_SRC_IP = FLOW_SRC_IP,
	LATENCY_KEY_DST_IP = FLOW_DST_IP,
	LATENCY_KEY_SRC_PORT = FLOW_SRC_PORT,
	LATENCY_KEY_DST_PORT = FLOW_DST_PORT,
	LATENCY_KEY_PROTOCOL = FLOW_PROTOCOL,
	LATENCY_KEY_FAMILY = 1 << 5, /* the IP version */
	LATENCY_KEY_INTERFACE = 1 << 6,
	LATENCY_KEY_NETNS = 1 << 7,
	LATENCY_KEY_CPU = 1 << 8,
	LATENCY_KEY_CGROUP = 1 << 9,
	LATENCY_KEYS_PLACE = LATENCY_KEY_INTERFACE | LATENCY_KEY_NETNS,
};

/* What a group's packets have in common; what is no key is zero. */
struct latency_group {
	struct flow_key flow;
	__u64 netns; /* cookie */
	__u32 ifindex;
	__u32 cpu;    /* of the first hook */
	__u64 cgroup; /* id, of the socket; 0: unknown */
};
_Static_assert(sizeof(struct latency_group) == 64, "no hidden padding");

/* An interface or, with index 0, a namespace: how it is called in a table. */
struct latency_place {
	__u64 netns; /* cookie */
	__u32 ifindex;
	__u32 _pad;
};
_Static_assert(sizeof(struct latency_place) == 16, "no hidden padding");

struct latency_place_names {
	__u64 first_ns; /* CLOCK_MONOTONIC of its first packet */
	__u8 interface[WIRE_IFNAME];
	__u32 netns; /* inode */
	__u32 _pad;
};
_Static_assert(sizeof(struct latency_place_names) == 32, "no hidden padding");

/* Of each direction and pair of hooks the histogram's number plus one; 0: none yet. */
struct latency_stages {
	__u32 numbers[4 * LATENCY_HOOKS * LATENCY_HOOKS];
};
_Static_assert(sizeof(struct latency_stages) == 16384, "words");

/* Kinds of keys, in the lowest bits of an address. */
enum key_kind {
	KEY_RX = 1,
	KEY_TX = 2,
	KEY_WAITING = 3, /* of a socket, with the packet's number there */
	KEY_SPLIT = 4,	 /* of what was split into segments */
	KEY_PARKED = 5,	 /* of ports and a sequence number */
	KEY_FOUND = 6,	 /* the same, while it goes on to its socket */
	KEY_KINDS = 7,
	KEY_ENDING = 8, /* is being counted or moved */
};

/* Keys of packets: address and kind, 0: free. */
struct latency_bucket {
	__u64 keys[LATENCY_WAYS];
};

/* A packet on its way. */
struct latency_journey {
	__u64 id;    /* of the packet, unlike any other's of the run */
	__u64 netns; /* cookie */
	__u64 sk;    /* whose readers were woken for it, or who sent it */
	__u64 skb;   /* its address when its key became its socket's */
	__u32 place; /* of its key */
	__u32 ifindex;
	__u16 cpu;	 /* that gave it to a driver last */
	__u16 first_cpu; /* that of its first hook */
	__u32 sequence;
	__u32 end_sequence;
	struct flow_key flow;
	__u32 length;
	__u8 direction;
	__u8 flags;
	__u8 count; /* of stamps */
	__u8 _pad[5];
	__u64 stamps[LATENCY_STAMPS];
	struct latency_owner owner; /* last: untouched where nobody asks */
};
_Static_assert(sizeof(struct latency_journey) == 264, "no hidden padding");

/* One per CPU. */
struct latency_counters {
	__u64 seen; /* packets at their first hook */
	__u64 filtered;
	__u64 sampled_out;
	__u64 no_room;	/* in the table of journeys */
	__u64 no_stage; /* counted, but a stage of theirs found no histogram */
	__u64 emitted;
	__u64 lost_ring;
	__u64 faster;	 /* than what events were asked for */
	__u64 ungrouped; /* counted, but in no group */
	__u64 parked;	 /* got away, perhaps merged into another one */
	__u64 found;	 /* in that other one */
	__u64 outcomes[LATENCY_OUTCOMES];
};
_Static_assert(sizeof(struct latency_counters) == 168, "words");

/* A packet at the end of its way. */
struct latency_event {
	struct latency_journey journey;
	__u32 reason; /* enum skb_drop_reason, where it was dropped */
	__u32 outcome;
};
_Static_assert(sizeof(struct latency_event) == 272, "no hidden padding");

struct latency_config {
	struct filter_config filter;
	__u32 mask;	    /* buckets in the table, a power of two, less 1 */
	__u32 sample;	    /* take up one packet in so many */
	__u64 slower_ns;    /* events of ways that took at least this long */
	__u32 keys;	    /* enum latency_key; 0: no groups */
	__u32 group_stages; /* histograms of groups' stages */
	__u32 shards;	    /* histograms of a group's stage, a power of two, less 1 */
	__u32 sockets;	    /* TCP sockets that are remembered, likewise */
	__u32 queues;	    /* UDP sockets, likewise */
	__u8 recv_length;   /* recvmsg's end has a tracepoint: sock_recv_length, 6.3 */
	__u8 events;	    /* a record per packet instead of histograms */
	__u8 wakeup;	    /* enum wakeup_mode */
	__u8 shared;	    /* a group's histogram is written by several CPUs */
	__u8 irq;	    /* packets are joined to interrupts and softirqs */
	__u8 owners;	    /* enum owner_part: what of a packet's owner is noted */
	__u8 owned;	    /* whether the filter asks for it */
	__u8 readable;	    /* a hook tells when a socket can be read */
	__u8 _pad[4];
};

#endif
