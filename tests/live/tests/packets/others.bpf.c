// SPDX-License-Identifier: GPL-2.0
/* A TC program of somebody else: it drops everything that Ethernet carries. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define SEC(name) __attribute__((section(name), used))

SEC("tc/drop")
int others_drop(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
