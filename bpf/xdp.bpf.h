/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Facts about packets at XDP. */
#ifndef PLUMB_XDP_BPF_H
#define PLUMB_XDP_BPF_H

#include "kernel.h"

enum xdp_flags {
	XDP_FLAGS_HAS_FRAGS = 1 << 0, /* enum xdp_buff_flags in include/net/xdp.h */
};

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/* Length of the frame, fragments included. Most have none, and the call to ask costs as much as counting
 * does: kernels that give their own context (bpf_cast_to_kern_ctx, 6.2) are asked there. */
static __always_inline __u32 xdp_length(struct xdp_md *ctx, __u8 kernel_context)
{
	if (kernel_context) {
		const struct xdp_buff *buff = bpf_cast_to_kern_ctx(ctx);

		if (!(buff->flags & XDP_FLAGS_HAS_FRAGS))
			return ctx->data_end - ctx->data;
	}
	return bpf_xdp_get_buff_len(ctx);
}

#endif
