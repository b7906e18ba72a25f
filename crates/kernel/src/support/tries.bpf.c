// SPDX-License-Identifier: GPL-2.0
/* The smallest program of each kind: whether a kernel lets us use a kind is found out by using it. */
#include "kernel.h"

SEC("tp_btf/kfree_skb")
int try_tp_btf(void *ctx)
{
	return 0;
}

SEC("raw_tp/kfree_skb")
int try_raw_tp(void *ctx)
{
	return 0;
}

SEC("fentry/eth_type_trans")
int try_fentry(void *ctx)
{
	return 0;
}

SEC("fexit/eth_type_trans")
int try_fexit(void *ctx)
{
	return 0;
}

SEC("kprobe/eth_type_trans")
int try_kprobe(void *ctx)
{
	return 0;
}

__noinline int try_target(struct xdp_md *ctx)
{
	return ctx ? XDP_PASS : XDP_ABORTED;
}

SEC("xdp")
int try_xdp(struct xdp_md *ctx)
{
	return try_target(ctx);
}

SEC("freplace/try_target")
int try_freplace(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int try_tc(void *ctx)
{
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} try_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} try_mapped SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
