// SPDX-License-Identifier: GPL-2.0
/* Gives every frame to the AF_XDP socket of its receive queue; one without a socket goes on to the stack. */
#include "kernel.h"

enum xsk_const {
	XSK_QUEUES = 64,
};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XSK_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsk_sockets SEC(".maps");

SEC("xdp")
int xsk_redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&xsk_sockets, ctx->rx_queue_index, XDP_PASS);
}

char LICENSE[] SEC("license") = "GPL";
