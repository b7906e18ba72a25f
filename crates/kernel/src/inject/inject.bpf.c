// SPDX-License-Identifier: GPL-2.0
/* Offers frames to one end of a veth pair: PROG_TEST_RUN with live frames runs inject_frames once per frame.
 */
#include "kernel.h"

const volatile __u32 ifindex = 0;     /* where frames go */
const volatile __u32 flows = 1;	      /* source ports, round robin */
const volatile __u32 port_offset = 0; /* of the source port in the frame; 0 leaves frames alone */
const volatile __u16 first_port = 0;

__u64 sequence = 0;

SEC("xdp")
int inject_frames(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__be16 *port = data + (port_offset & 0xff);

	if (port_offset) {
		if ((void *)(port + 1) > end)
			return XDP_ABORTED;
		/* The kernel hands out pages that earlier runs wrote to: every run sets the whole field. */
		*port = bpf_htons(first_port + sequence++ % flows);
	}
	return bpf_redirect(ifindex, 0);
}

/* On the receiving end: native XDP makes veth take redirected frames (veth_xdp_xmit wants a NAPI context
 * there). */
SEC("xdp")
int inject_accept(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* What any tracing program on this hook costs at least: benches measure against it. */
SEC("tp_btf/kfree_skb")
int inject_floor(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
