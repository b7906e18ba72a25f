// SPDX-License-Identifier: GPL-2.0
/* What an XDP program that others have loaded does: counted by its action, and timed, at its entry and its
 * return. What these programs return has no effect. */
#include "hist.bpf.h"
#include "kernel.h"
#include "xdp.h"

const volatile struct xdp_watch_config watched = {};

/* The packet that the program is at on this CPU: XDP programs run with softirqs off, so there is one at most.
 */
struct xdp_entered {
	__u64 time; /* of entry; 0 where there is no packet */
	__u32 length;
	__u32 place;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_entered);
} watch_entered SEC(".maps");

/* By place and action. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XDP_ACTIONS);
	__type(key, __u32);
	__type(value, struct xdp_count);
} watch_counts SEC(".maps");

/* Likewise; one entry where nothing is timed. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct histogram);
} watch_times SEC(".maps");

/* The number of the interface among those that are asked for, or how many there are. */
static __always_inline __u32 watch_place(struct xdp_buff *xdp)
{
	struct net_device *dev = xdp->rxq->dev;
	__u64 netns = dev->nd_net.net->net_cookie;
	__u32 ifindex = dev->ifindex, i;

	for (i = 0; i < XDP_PLACES; i++) {
		if (i >= watched.places)
			break;
		if (watched.place[i].ifindex == ifindex && watched.place[i].netns == netns)
			break;
	}
	return i;
}

/* The length is taken here, as the packet came: the program may change it. */
SEC("fentry")
int BPF_PROG(watch_entry, struct xdp_buff *xdp)
{
	__u32 zero = 0, place = watch_place(xdp);
	struct xdp_entered *entered = bpf_map_lookup_elem(&watch_entered, &zero);

	if (!entered || (watched.only && place == watched.places))
		return 0;
	entered->place = place;
	entered->length = bpf_xdp_get_buff_len((void *)xdp);
	entered->time = watched.time ? bpf_ktime_get_ns() : 1;
	return 0;
}

SEC("fexit")
int BPF_PROG(watch_exit, struct xdp_buff *xdp, int verdict)
{
	__u64 now = watched.time ? bpf_ktime_get_ns() : 0;
	struct xdp_entered *entered;
	__u32 zero = 0, action = verdict, key;
	struct histogram *times;
	struct xdp_count *count;

	entered = bpf_map_lookup_elem(&watch_entered, &zero);
	if (!entered || !entered->time)
		return 0;
	/* The kernel treats a verdict that it does not know as XDP_ABORTED (bpf_prog_run_xdp's callers). */
	key = entered->place * XDP_ACTIONS + (action < XDP_ACTIONS ? action : XDP_ABORTED);
	count = bpf_map_lookup_elem(&watch_counts, &key);
	if (count) {
		count->packets++;
		count->bytes += entered->length;
	}
	if (watched.time) {
		times = bpf_map_lookup_elem(&watch_times, &key);
		if (times)
			hist_add(times, now - entered->time);
	}
	entered->time = 0;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
