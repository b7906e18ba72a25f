// SPDX-License-Identifier: GPL-2.0
/* Frames that an XDP program wanted sent back and the driver did not take: by device and error. Only drivers
 * that report bulks tell it; veth does. */
#include "kernel.h"
#include "xdp.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_FAULTS_MAX);
	__type(key, struct xdp_unsent_key);
	__type(value, __u64);
} xdp_unsent SEC(".maps");

SEC("tp_btf/xdp_bulk_tx")
int xdp_bulk_tx(__u64 *ctx)
{
	const struct net_device *dev = (void *)ctx[0];
	__u64 drops = (__u32)ctx[2], *count;
	struct xdp_unsent_key key = {};

	if (!drops)
		return 0;
	key.netns = dev->nd_net.net->net_cookie;
	key.ifindex = dev->ifindex;
	key.cause = -(__s32)ctx[3];
	count = bpf_map_lookup_elem(&xdp_unsent, &key);
	if (!count && bpf_map_update_elem(&xdp_unsent, &key, &drops, BPF_NOEXIST) == 0)
		return 0;
	if (!count)
		count = bpf_map_lookup_elem(&xdp_unsent, &key);
	if (count)
		__sync_fetch_and_add(count, drops);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
