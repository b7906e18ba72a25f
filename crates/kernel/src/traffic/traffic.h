/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What crosses between the traffic programs and Rust. Numbers are in host order except where a comment says
 * otherwise. */
#ifndef PLUMB_TRAFFIC_H
#define PLUMB_TRAFFIC_H

#include <linux/types.h>

enum traffic_limits {
	TRAFFIC_HEADER_WORDS = 10, /* 80 bytes: Ethernet, VLAN, IPv6 and TCP headers are 78 */
	TRAFFIC_SIZES = 16,	   /* sizes that frames take in turn */
	TRAFFIC_SLOTS = 256,	   /* frames of a capture at hand */
	TRAFFIC_SLOT_BYTES = 3072, /* the longest of them: what surely fits a page beside its overheads */
};

enum traffic_errors {
	TRAFFIC_GONE = 19, /* ENODEV: there is no interface to send by */
};

/* Where fields that differ between frames lie, in bytes from the start of the frame; 0: the frame has no such
 * field, or the header holds it as it is in all frames. */
struct traffic_fields {
	__u32 total_length; /* IPv4 total length or IPv6 payload length */
	__u32 ip_checksum;
	__u32 source;	   /* last four bytes of the address */
	__u32 destination; /* likewise */
	__u32 source_port; /* or the echo identifier */
	__u32 destination_port;
	__u32 udp_length;
	__u32 checksum; /* of the transport */
	__u32 echo_sequence;
	__u32 stamp;
};

/* A value that frames take in turn: first, first + 1, ... first + count - 1. */
struct traffic_range {
	__u32 first;
	__u32 count;
};

/* Frames that are made by number. Sums are partial Internet checksums (RFC 1071) of what is the same in all
 * frames. The fewer fields differ, the less there is to do: all of it is constant to the verifier, which
 * leaves out the rest. */
struct traffic_plan {
	__u64 seed;
	__u64 clock_offset_ns;		    /* from CLOCK_MONOTONIC to the clock of stamps */
	__u64 header[TRAFFIC_HEADER_WORDS]; /* bytes, as they are sent */
	struct traffic_fields at;
	struct traffic_range source;
	struct traffic_range destination;
	struct traffic_range source_port;
	struct traffic_range destination_port;
	__u32 sizes[TRAFFIC_SIZES];
	__u32 size_count;
	__u32 size_span; /* above 0: sizes are sizes[0] to sizes[0] + size_span - 1 */
	__u32 flows;
	__u32 stream; /* of these many streams this one: it makes frames stream, stream + streams, ... */
	__u32 streams;
	__u32 ifindex;
	__u32 header_bytes;
	__u32 largest; /* frames come with this length and are cut */
	__u32 ip_sum;
	__u32 transport_sum;
	__u32 transport_at; /* start of the transport header */
	__u32 ip_header;    /* bytes that the IP header's length field counts beside its payload */
	__u8 random;	    /* flows and sizes at random rather than in turn */
	__u8 covers_ip;	    /* the transport's checksum covers addresses and length */
	__u8 is_udp;	    /* a checksum of 0 is sent as 0xffff (RFC 768) */
	__u8 pad_[5];
};

/* What a receiver finds at the start of the payload. All of it in network order. */
struct traffic_stamp {
	__be32 magic;
	__be32 stream;
	__be64 sequence; /* 0, 1, 2, ... within the stream */
	__be64 time_ns;	 /* since the Unix epoch, when the frame was made */
};

enum traffic_stamp_magic {
	TRAFFIC_STAMP_MAGIC = 0x504c4d42, /* "PLMB" */
};

/* Written by the one thread that runs the programs, read by any. */
struct traffic_state {
	__u64 offered; /* frames made */
	__u64 bytes;   /* of them */
	__u64 refused; /* frames that the interface or its driver did not take */
	__u32 error;   /* why the last one was refused: an errno */
	__u32 queued;  /* frames of this pass that the interface has not been given yet */
};

/* One frame of a capture. */
struct traffic_slot {
	__u64 length;
	__u8 bytes[TRAFFIC_SLOT_BYTES];
};

_Static_assert(sizeof(struct traffic_stamp) == 24, "a stamp has no holes");
_Static_assert(sizeof(struct traffic_state) == 32, "a state has no holes");

#endif
