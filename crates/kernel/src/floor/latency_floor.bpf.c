// SPDX-License-Identifier: GPL-2.0
/* What programs on the tracepoints of plumb latency cost at least: benches measure against it. */
#include "kernel.h"

#define EMPTY(tracepoint)                                                                                    \
	SEC("tp_btf/" #tracepoint)                                                                           \
	int floor_##tracepoint(void *ctx)                                                                    \
	{                                                                                                    \
		return 0;                                                                                    \
	}

EMPTY(napi_gro_receive_entry)
EMPTY(napi_gro_receive_exit)
EMPTY(netif_rx_entry)
EMPTY(netif_receive_skb_entry)
EMPTY(netif_receive_skb_list_entry)
EMPTY(netif_receive_skb)
EMPTY(tcp_probe)
EMPTY(sk_data_ready)
EMPTY(sched_waking)
EMPTY(sched_switch)
EMPTY(skb_copy_datagram_iovec)
EMPTY(sock_recv_length)
EMPTY(tcp_rcv_space_adjust)
EMPTY(inet_sock_set_state)
EMPTY(tcp_destroy_sock)
EMPTY(tcp_sendmsg_locked)
EMPTY(net_dev_queue)
EMPTY(qdisc_enqueue)
EMPTY(qdisc_dequeue)
EMPTY(net_dev_start_xmit)
EMPTY(net_dev_xmit)
EMPTY(consume_skb)
EMPTY(kfree_skb)

char LICENSE[] SEC("license") = "GPL";
