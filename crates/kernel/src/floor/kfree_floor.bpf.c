// SPDX-License-Identifier: GPL-2.0
/* What any tracing program on this hook costs at least: benches measure against it. */
#include "kernel.h"

SEC("tp_btf/kfree_skb")
int floor_kfree(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
