// SPDX-License-Identifier: GPL-2.0
/* Programs that keep a CPU busy for a known time: in the softirq that a packet is delivered in, or before it. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define BUSY_NS 1000000

static long look(__u32 number, __u64 *until)
{
	return bpf_ktime_get_ns() >= *until;
}

static __always_inline void busy(void)
{
	__u64 until = bpf_ktime_get_ns() + BUSY_NS;

	bpf_loop(1 << 20, look, &until, 0);
}

/* In the poll of the device, before the driver hands the packet over. */
SEC("xdp")
int busy_polling(struct xdp_md *ctx)
{
	busy();
	return XDP_PASS;
}

/* With softirqs off: a copy of the packet is sent, the device at the other end has raised NET_RX for it. */
SEC("tc")
int busy_raised(struct __sk_buff *skb)
{
	if (skb->mark)
		return TC_ACT_OK;
	skb->mark = 1;
	bpf_clone_redirect(skb, skb->ifindex, 0);
	busy();
	return TC_ACT_STOLEN;
}

char LICENSE[] SEC("license") = "GPL";
