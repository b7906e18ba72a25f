/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Flows as keys of groups. */
#ifndef PLUMB_FLOW_BPF_H
#define PLUMB_FLOW_BPF_H

#include "kernel.h"
#include "wire.h"

/* Leaves of a flow what is asked for: a set of enum flow_part. */
static __always_inline void flow_keep(struct flow_key *flow, __u32 parts)
{
	if (!(parts & FLOW_SRC_IP))
		__builtin_memset(flow->src, 0, sizeof(flow->src));
	if (!(parts & FLOW_DST_IP))
		__builtin_memset(flow->dst, 0, sizeof(flow->dst));
	if (!(parts & FLOW_SRC_PORT))
		flow->src_port = 0;
	if (!(parts & FLOW_DST_PORT))
		flow->dst_port = 0;
	if (!(parts & FLOW_PROTOCOL))
		flow->protocol = 0;
	/* What only says which of these are there must not tell groups apart that look the same. */
	if (!(parts & (FLOW_SRC_PORT | FLOW_DST_PORT)))
		flow->has_ports = 0;
	if (!(parts & (FLOW_SRC_IP | FLOW_DST_IP)))
		flow->version = parts & FLOW_PROTOCOL && flow->version ? 4 : 0;
}

#endif
