// SPDX-License-Identifier: GPL-2.0
/* What the kernel says went wrong with XDP packets: by device, program and cause. */
#include "kernel.h"
#include "xdp.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_prog_aux {
	__u32 id;
};

struct bpf_prog {
	struct bpf_prog_aux *aux;
};

#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_FAULTS_MAX);
	__type(key, struct xdp_fault_key);
	__type(value, __u64);
} xdp_faults SEC(".maps");

__u64 unroomed = 0;

static __always_inline int fault_count(const struct net_device *dev, const struct bpf_prog *program,
				       __u32 kind, __u32 cause)
{
	struct xdp_fault_key key = {
		.netns = dev->nd_net.net->net_cookie,
		.ifindex = dev->ifindex,
		.program = program->aux->id,
		.kind = kind,
		.cause = cause,
	};
	__u64 one = 1, *count = bpf_map_lookup_elem(&xdp_faults, &key);

	if (!count && bpf_map_update_elem(&xdp_faults, &key, &one, BPF_NOEXIST) == 0)
		return 0;
	if (!count)
		count = bpf_map_lookup_elem(&xdp_faults, &key);
	__sync_fetch_and_add(count ? count : &unroomed, 1);
	return 0;
}

SEC("tp_btf/xdp_exception")
int xdp_exception(__u64 *ctx)
{
	return fault_count((void *)ctx[0], (void *)ctx[1], XDP_FAULT_EXCEPTION, (__u32)ctx[2]);
}

SEC("tp_btf/xdp_redirect_err")
int xdp_redirect_err(__u64 *ctx)
{
	return fault_count((void *)ctx[0], (void *)ctx[1], XDP_FAULT_REDIRECT, -(__s32)ctx[3]);
}

char LICENSE[] SEC("license") = "GPL";
