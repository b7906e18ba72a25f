// SPDX-License-Identifier: GPL-2.0
/* XDP programs as others write them: none of Plumb's headers, maps or names. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 came = 0;

/* Each verdict in turn, REDIRECT left out: it needs somewhere to go. */
SEC("xdp")
int foreign_mix(struct xdp_md *ctx)
{
	switch (__sync_fetch_and_add(&came, 1) & 3) {
	case 0:
		return XDP_DROP;
	case 1:
		return XDP_PASS;
	case 2:
		return XDP_TX;
	}
	return XDP_ABORTED;
}

/* Takes this long, whatever the machine. */
#define LOOP_NS 20000

SEC("xdp.loop")
int foreign_loop(struct xdp_md *ctx)
{
	__u64 start = bpf_ktime_get_ns();

	for (int i = 0; i < 4000; i++) {
		if (bpf_ktime_get_ns() - start >= LOOP_NS)
			break;
	}
	return XDP_DROP;
}

/* Passes everything on, as a component that is followed by another one. */
SEC("xdp.pass")
int foreign_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Jumps to what is in its table: nothing is, so that it goes on itself. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} jumps SEC(".maps");

SEC("xdp.jump")
int foreign_jump(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, 0);
	return XDP_PASS;
}

/* Redirects to where nothing is: the helper returns what its flags say, which is XDP_ABORTED. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

SEC("xdp.empty")
int foreign_empty(struct xdp_md *ctx)
{
	return bpf_redirect_map(&ports, 0, 0);
}

/* Redirects to an interface that is not there. */
SEC("xdp.astray")
int foreign_astray(struct xdp_md *ctx)
{
	return bpf_redirect(0x7fffffff, 0);
}

/* No verdict that the kernel knows. */
SEC("xdp.invalid")
int foreign_invalid(struct xdp_md *ctx)
{
	return 77;
}

/* Its BTF does not say what its context is, so that the kernel lets nobody trace it with types. */
SEC("xdp.untyped")
int foreign_untyped(void *ctx)
{
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
