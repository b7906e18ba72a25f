// SPDX-License-Identifier: GPL-2.0
/* What the programs of this folder are measured against: the least that an XDP program can do, the clock that
 * they read, and nothing else. */
#include "kernel.h"
#include "xdp.h"

/* Sum of what lay between two readings of the clock, in a row of XDP_CLOCK_PAIRS. */
__u64 between = 0;

/* A pair of readings of which the verifier must not take the second away. */
volatile __u64 elapsed = 0;

SEC("xdp.frags")
int floor_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp.frags")
int floor_clock(struct xdp_md *ctx)
{
	__u64 start = bpf_ktime_get_ns();

	elapsed = bpf_ktime_get_ns() - start;
	return XDP_DROP;
}

SEC("xdp")
int floor_between(struct xdp_md *ctx)
{
	__u64 sum = 0, start;

	for (int i = 0; i < XDP_CLOCK_PAIRS; i++) {
		start = bpf_ktime_get_ns();
		sum += bpf_ktime_get_ns() - start;
	}
	between = sum;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
