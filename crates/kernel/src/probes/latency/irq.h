/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the counting of interrupts and its reader share. */
#ifndef PLUMB_IRQ_H
#define PLUMB_IRQ_H

#include "hist.h"

enum irq_const {
	IRQ_NAME = 32,	  /* bytes of an action's name, with the 0 at its end */
	IRQ_LINES = 1024, /* actions, those of each CPU for themselves */
	IRQ_VECTORS = 16, /* softirq vectors; kernels have ten */
	IRQ_NAPIS = 4096, /* NAPI instances, those of each CPU for themselves */
	IRQ_NESTED = 4,	  /* handlers that may be inside each other */
	IRQ_DEVICE = 16,  /* IFNAMSIZ */
	IRQ_NET_RX = 3,	  /* NET_RX_SOFTIRQ (include/linux/interrupt.h) */
	IRQ_STALE = 3,	  /* rounds of softirqs after which a vector that was raised must have run */
};

struct irq_config {
	__u8 tables; /* histograms, beside what packets are joined to */
	__u8 _pad[7];
};

/* An action of an interrupt, on one CPU. */
struct irq_line {
	char name[IRQ_NAME];
	__u32 irq;
	__u32 cpu;
};
_Static_assert(sizeof(struct irq_line) == 40, "no hidden padding");

/* A NAPI instance, on one CPU. */
struct irq_napi_key {
	__u64 netns;   /* cookie; 0: no device */
	__u32 ifindex; /* 0: no device, which is the backlog of the CPU */
	__u32 napi_id; /* 0: has none */
	__u32 cpu;
	__u32 _pad;
};
_Static_assert(sizeof(struct irq_napi_key) == 24, "no hidden padding");

struct irq_napi {
	__u64 polls;
	__u64 packets;
	__u64 exhausted; /* polls that used their whole budget */
	char device[IRQ_DEVICE];
};
_Static_assert(sizeof(struct irq_napi) == 40, "no hidden padding");

/* What was not counted. */
struct irq_lost {
	__u64 lines;	 /* handlers that found no room */
	__u64 napis;	 /* polls that found no room */
	__u64 unmatched; /* ends or entries whose beginning was not seen */
	__u64 vectors;	 /* softirqs beyond IRQ_VECTORS */
};
_Static_assert(sizeof(struct irq_lost) == 32, "words");

#endif
