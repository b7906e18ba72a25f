/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the XDP programs and their reader share. */
#ifndef PLUMB_XDP_H
#define PLUMB_XDP_H

#include "hist.h"

enum xdp_const {
	XDP_ACTIONS = 5, /* XDP_ABORTED to XDP_REDIRECT (include/uapi/linux/bpf.h) */
	XDP_FAULTS_MAX = 1024,
	XDP_CLOCK_PAIRS = 512, /* readings of the clock in one run that measures it */
	XDP_PLACES = 16,       /* interfaces on which a program of others is counted apart */
	XDP_NAME_BYTES = 16,   /* BPF_OBJ_NAME_LEN of include/uapi/linux/bpf.h */
};

/* How an event reaches its reader. */
enum xdp_transport {
	XDP_TRANSPORT_NONE = 0, /* no events */
	XDP_TRANSPORT_RING = 1,
	XDP_TRANSPORT_PERF = 2,
};

/* What is counted per action and CPU. */
struct xdp_count {
	__u64 packets;
	__u64 bytes;
	__u64 emitted;
	__u64 lost; /* events for which the transport had no room */
};

/* One packet. */
struct xdp_event {
	__u64 time_ns; /* CLOCK_MONOTONIC, at entry */
	__u32 processing_ns;
	__u32 length;
	__u16 interface; /* of the run's interfaces */
	__u16 cpu;
	__u8 action;
	__u8 _pad[3];
};
_Static_assert(sizeof(struct xdp_event) == 24, "no hidden padding");

struct xdp_config {
	__u64 drop_below;    /* drop where a random number of 32 bits is lower; 0 drops none */
	__u16 interface;     /* of the run's interfaces, for events */
	__u8 action;	     /* verdict on what is not dropped at random: enum xdp_action */
	__u8 transport;	     /* enum xdp_transport */
	__u8 time;	     /* measure from entry to verdict */
	__u8 print;	     /* write to the kernel's trace pipe */
	__u8 wakeup;	     /* enum wakeup_mode */
	__u8 kernel_context; /* the kernel gives its xdp_buff: bpf_cast_to_kern_ctx, 6.2 */
};
_Static_assert(sizeof(struct xdp_config) == 16, "no hidden padding");

/* An interface. */
struct xdp_place {
	__u64 netns; /* cookie: inodes are used again */
	__u32 ifindex;
	__u32 _pad;
};

/* What is told of a program of others. */
struct xdp_watch_config {
	struct xdp_place place[XDP_PLACES];
	__u32 places; /* that are used */
	__u8 only;    /* packets of other interfaces are not counted */
	__u8 time;    /* measure from entry to return */
	__u8 _pad[2];
};
_Static_assert(sizeof(struct xdp_watch_config) == 16 * XDP_PLACES + 8, "no hidden padding");

/* What the kernel reports of XDP on its tracepoints. */
enum xdp_fault_kind {
	XDP_FAULT_EXCEPTION = 1, /* xdp_exception: cause is the action that was not carried out */
	XDP_FAULT_REDIRECT = 2,	 /* xdp_redirect_err: cause is the errno */
};

struct xdp_fault_key {
	__u64 netns; /* cookie */
	__u32 ifindex;
	__u32 program; /* the kernel's id */
	__u32 kind;    /* enum xdp_fault_kind */
	__u32 cause;
};
_Static_assert(sizeof(struct xdp_fault_key) == 24, "no hidden padding");

/* A program that somebody has loaded. */
struct xdp_name {
	__u32 id;
	__u8 name[XDP_NAME_BYTES];
};

/* Frames that were not sent back. */
struct xdp_unsent_key {
	__u64 netns; /* cookie */
	__u32 ifindex;
	__u32 cause; /* errno; 0 where the receiver's queue was full */
};
_Static_assert(sizeof(struct xdp_unsent_key) == 16, "no hidden padding");

#endif
