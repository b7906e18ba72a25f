/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Flows as they cross to Rust: exact integers only; means, deviations and rates are derived in user space.
 *
 * Times are CLOCK_MONOTONIC in ns, or the capture's own where a capture is read. Gaps between packets are in
 * microseconds, as differences of times truncated to microseconds: these telescope, so that sums do not
 * drift, and sums of their squares fit 64 bits up to 71 minutes, which is more than a flow may last. */
#ifndef PLUMB_FLOWS_H
#define PLUMB_FLOWS_H

#include "wire.h"

enum flows_level {
	FLOWS_BASIC = 0, /* volume, flags, times */
	FLOWS_STATS = 1, /* and lengths, gaps, activity, handshake */
	FLOWS_FULL = 2,	 /* and histograms and the first packets one by one */
};

/* IPFIX flowEndReason (RFC 5102, 5.11.3), and 0 while the flow goes on. */
enum flows_end {
	FLOWS_GOES_ON = 0,
	FLOWS_IDLE = 1,
	FLOWS_ACTIVE = 2,
	FLOWS_ENDED = 3,
	FLOWS_FORCED = 4,
	FLOWS_RESOURCES = 5,
};

enum flows_hook {
	FLOWS_HOOK_XDP = 1,
	FLOWS_HOOK_INGRESS = 2,
	FLOWS_HOOK_EGRESS = 4,
};

enum flows_const {
	FLOWS_SLOTS = 15,     /* of a bucket: with its lock a cache line */
	FLOWS_FLAGS = 8,      /* TCP flags that are counted, by their bits: FIN SYN RST PSH ACK URG ECE CWR */
	FLOWS_BINS = 16,      /* of a histogram */
	FLOWS_HISTORY = 16,   /* letters that are kept */
	FLOWS_FIRST_MAX = 64, /* first packets that can be kept */
	FLOWS_NO_VLAN = 0xffff,
};

/* A word per slot. An entry is its holder's while the word says locked, and user space's once it says
 * closing: who looks for the key then begins a new entry. Each update changes the version, so that user space
 * marks an entry as closing only if it still is what was read. */
enum flows_word {
	FLOWS_FREE = 0,
	FLOWS_LIVE = 1 << 0,
	FLOWS_LOCKED = 1 << 1,
	FLOWS_CLOSING = 1 << 2,
	FLOWS_TAG_SHIFT = 3, /* 16 bits of the key's hash */
	FLOWS_TAG_MASK = 0xffff << 3,
	FLOWS_VERSION = 1 << 19, /* and what is above */
};

/* What a TCP connection has shown. */
enum flows_tcp {
	FLOWS_FIN_FWD = 1 << 0,
	FLOWS_FIN_BWD = 1 << 1,
	FLOWS_FIN_LAST_BWD = 1 << 2, /* the later of two FINs was the responder's */
	FLOWS_CLOSED = 1 << 3,	     /* both ways and acknowledged, or reset: it lingers */
	FLOWS_RESET = 1 << 4,
};

/* Of one direction: what it has shown so far, so that what was not is null and not zero. */
enum flows_shown {
	FLOWS_SHOWN_WINDOW = 1 << 0,   /* a TCP packet: windows are known */
	FLOWS_SHOWN_SYN = 1 << 1,      /* a SYN: isn and the SYN's facts are known */
	FLOWS_SHOWN_SEQUENCE = 1 << 2, /* high_sequence is known */
};

/* Both directions of a conversation have one key: low is the endpoint that compares lower. */
struct flows_key {
	__u8 low[16]; /* IPv4: the first four bytes */
	__u8 high[16];
	__u16 low_port; /* ICMP: the type and its counterpart's, or the code where it has none */
	__u16 high_port;
	__u16 vlan; /* the outer id, FLOWS_NO_VLAN where there is no tag */
	__u8 protocol;
	__u8 version;
	__u32 ifindex;
	__u32 has_ports; /* 1; 2 of ICMP */
};
_Static_assert(sizeof(struct flows_key) == 48, "six words");

/* One direction, at every level. */
struct flows_side {
	__u64 first_ns;
	__u64 last_ns;
	__u64 packets; /* as on the wire: segments of a super-packet count each */
	__u64 frame_bytes;
	__u64 ip_bytes;
	__u64 payload_bytes;
	__u64 transport_header_bytes;
	__u64 data_packets; /* with payload */
	__u32 flags[FLOWS_FLAGS];
	__u32 isn;	     /* sequence number of the SYN */
	__u32 high_sequence; /* the end of the latest data */
	__u16 tcp_flags;     /* or of all, 12 bits */
	__u16 init_window;   /* of the first TCP packet, unscaled */
	__u8 first_ttl;
	__u8 min_ttl;
	__u8 max_ttl;
	__u8 shown;
	__u32 fragments;
	__u8 first_tos;
	__u8 tos; /* or of all */
	__u16 _pad;
	__u64 last_us; /* from FLOWS_STATS on */
};
_Static_assert(sizeof(struct flows_side) == 128, "two cache lines");

/* What is said of a set of numbers whose count and sum are known elsewhere. */
struct flows_spread {
	__u64 squares;
	__u32 min;
	__u32 max;
};

/* And where they are not. */
struct flows_spans {
	__u64 count;
	__u64 sum_us;
	struct flows_spread us;
};

/* One direction, from FLOWS_STATS on. */
struct flows_side_stats {
	struct flows_spread ip_length;
	struct flows_spread payload_length;
	struct flows_spread gap_us;
	__u64 retransmitted_bytes;
	__u32 retransmitted_packets; /* with data, all of it seen before */
	__u32 zero_windows;
	__u16 min_window;
	__u16 max_window;
	__u16 syn_mss;	/* 0: the SYN had none */
	__u8 syn_scale; /* 255: the SYN had none */
	__u8 min_transport_header;
	__u64 bulk_packets; /* of all bulks of this direction */
	__u64 bulk_bytes;
	__u64 bulk_us;
	__u32 bulks;
	__u32 _pad;
};

/* Of both directions together, from FLOWS_STATS on. */
struct flows_shared {
	struct flows_spread gap_us;
	struct flows_spans active;
	struct flows_spans idle;
	__u64 last_us;	       /* of either direction */
	__u64 active_since_us; /* the beginning of the period that goes on */
	__u64 syn_ns;	       /* the first of each, 0 where it was not seen */
	__u64 syn_ack_ns;
	__u64 ack_ns;
	__u64 first_data_fwd_ns;
	__u64 first_data_bwd_ns;
	__u64 bulk_packets; /* of the run of data packets that goes on */
	__u64 bulk_bytes;
	__u64 bulk_since_us;
	__u64 bulk_last_us;
	__u32 bulk_side; /* 0 fwd, 1 bwd, 2 none */
	__u32 subflows;	 /* gaps over a second */
	__u8 history[FLOWS_HISTORY];
	__u32 histories;      /* letters in it */
	__u32 histories_seen; /* a bit for each letter and direction */
};

/* Bin k of lengths: below 16 << k payload bytes (k < 7); the last holds the rest. Bin k of gaps: [4^k,
 * 4^(k+1)) us, the first from 0, the last to the end. */
struct flows_side_full {
	__u32 payload_bins[8];
	__u32 gap_bins[FLOWS_BINS];
};

/* One of the first packets. */
struct flows_first {
	__u64 at_ns;
	__u32 ip_length;
	__u32 payload_length;
	__u16 tcp_flags;
	__u8 backward;
	__u8 _pad[5];
};
_Static_assert(sizeof(struct flows_first) == 24, "three words");

/* An entry of the table: levels are prefixes of it. */
struct flows_entry {
	struct flows_key key;
	__u64 start_ns;
	__u64 last_ns;
	__u64 closed_ns;     /* when FLOWS_CLOSED began */
	__u32 segment;	     /* cuts by the active timeout so far */
	__u32 late;	     /* packets whose time was before the one before */
	__u8 initiator_high; /* 1: the initiator is the key's high end */
	__u8 initiator_known;
	__u8 hooks; /* enum flows_hook */
	__u8 tcp;   /* enum flows_tcp */
	__u8 icmp_type;
	__u8 icmp_code;
	__u16 firsts; /* first packets kept, from FLOWS_FULL on */
	__u32 end;    /* enum flows_end; what follows of an entry that goes on is nothing */
	__u32 _pad;
	__u64 ended_ns;
	struct flows_side sides[2]; /* fwd: from the initiator; bwd */
	/* FLOWS_STATS */
	struct flows_side_stats stats[2];
	struct flows_shared shared;
	/* FLOWS_FULL; `config.firsts` of struct flows_first follow */
	struct flows_side_full full[2];
};

/* What a bucket's slots hold. The key's first bucket says whether any of its keys stands in its second. */
struct flows_bucket {
	__u32 lock; /* bit 0: somebody inserts; bit 1: look in the second bucket too */
	__u32 words[FLOWS_SLOTS];
};
_Static_assert(sizeof(struct flows_bucket) == 64, "one cache line");

struct flows_config {
	__u64 idle_ns;
	__u64 active_ns;
	__u64 linger_ns;
	__u64 active_gap_us; /* a longer gap ends a period of activity */
	__u64 seeds[6];	     /* odd and random: nobody can choose flows that fall into one bucket */
	__u32 sample_below;  /* flows whose hash is below are followed; 0: all */
	__u32 buckets;
	__u32 level;
	__u32 firsts;	     /* first packets that are kept */
	__u32 verdict;	     /* of XDP; benches drop */
	__u8 tcp_close;	     /* flows end with their connection */
	__u8 capture;	     /* time and length come from struct capture_frame */
	__u8 wakeup;	     /* enum wakeup_mode */
	__u8 kernel_context; /* see xdp_length */
	__u8 _pad[8];
};

/* Of one CPU, in packets as on the wire: what was seen and is in no other is in an entry or in its record. */
struct flows_counters {
	__u64 seen;
	__u64 filtered;
	__u64 sampled_out;
	__u64 passed_over; /* not IP */
	__u64 malformed;   /* an IP header that is not whole or not one */
	__u64 table_full;
	__u64 lock_timeout; /* an entry was locked for longer than a packet may wait */
	__u64 ended_lost;   /* of flows and segments whose record a full ring lost */
};
_Static_assert(sizeof(struct flows_counters) == 64, "one cache line");

#endif
