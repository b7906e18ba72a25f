// SPDX-License-Identifier: GPL-2.0
/* How long packets take from hook to hook. Each program is one hook by one mechanism. */
#include "functions.bpf.h"

SEC("tp_btf/napi_gro_receive_entry")
int BPF_PROG(on_gro, struct sk_buff *skb)
{
	struct latency_cpu *cpu = this_cpu();

	if (cpu)
		cpu->gro = address_of(skb);
	return receive_first(skb, 1);
}

/* GRO_MERGED and GRO_MERGED_FREE of enum gro_result (include/linux/netdevice.h). */
SEC("tp_btf/napi_gro_receive_exit")
int BPF_PROG(on_gro_done, int result)
{
	struct latency_cpu *cpu = this_cpu();
	struct latency_journey *journey;
	__u64 key;

	if (!cpu || result > 1)
		return 0;
	key = packet_key(cpu->gro, KEY_RX);
	journey = journey_find(key);
	if (journey)
		journey_end(journey, key, LATENCY_MERGED);
	return 0;
}

SEC("tp_btf/netif_rx_entry")
int BPF_PROG(on_netif_rx, struct sk_buff *skb)
{
	return receive_first(skb, 0);
}

SEC("tp_btf/netif_receive_skb_entry")
int BPF_PROG(on_receive_entry, struct sk_buff *skb)
{
	return receive_first(skb, 1);
}

SEC("tp_btf/netif_receive_skb_list_entry")
int BPF_PROG(on_list_entry, struct sk_buff *skb)
{
	return receive_first(skb, 1);
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(on_receive, struct sk_buff *skb)
{
	return receive_begins(skb);
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(on_tcp, struct sock *sk, struct sk_buff *skb)
{
	reader_close();
	return tcp_arrives(sk, skb);
}

SEC("tp_btf/sk_data_ready")
int BPF_PROG(on_readable, struct sock *sk)
{
	return receive_readable(sk);
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	reader_woken(task->pid, task->on_cpu);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, int preempt, struct task_struct *before, struct task_struct *next)
{
	reader_runs(next->pid);
	return 0;
}

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(on_copy, struct sk_buff *skb)
{
	return receive_copied(skb);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_recv, struct sock *sk, int length, int flags)
{
	return datagrams_read(sk, length, flags);
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(on_read, struct sock *sk)
{
	return tcp_read(sk);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int before, int after)
{
	/* Connected once more: what waited before is gone. What waits when a connection is over can still be
	 * read. */
	return before == TCP_STATE_CLOSE ? tcp_closed(sk) : 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_destroyed, struct sock *sk)
{
	return tcp_closed(sk);
}

SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(on_send, struct sock *sk, void *message, struct sk_buff *skb)
{
	return transmit_tcp(sk, skb ? address_of(skb) : 0);
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(on_queue, struct sk_buff *skb)
{
	return transmit_first(skb);
}

SEC("tp_btf/qdisc_enqueue")
int BPF_PROG(on_enqueue, void *qdisc, void *queue, struct sk_buff *skb)
{
	return transmit_stamp(skb, LATENCY_ENQUEUE);
}

SEC("tp_btf/qdisc_dequeue")
int BPF_PROG(on_dequeue, void *qdisc, void *queue, int packets, struct sk_buff *skb)
{
	return skb ? transmit_stamp(skb, LATENCY_DEQUEUE) : 0;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(on_start, struct sk_buff *skb)
{
	return transmit_starts(skb);
}

SEC("tp_btf/net_dev_xmit")
int BPF_PROG(on_driven, struct sk_buff *skb, int status)
{
	return transmit_driven(skb, status);
}

SEC("tp_btf/consume_skb")
int BPF_PROG(on_consumed, struct sk_buff *skb)
{
	struct bucket bucket = bucket_of(address_of(skb));

	receive_consumed(skb, &bucket);
	transmit_consumed(skb, &bucket);
	return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_dropped, struct sk_buff *skb, void *location, int reason)
{
	__u64 address = address_of(skb), key = packet_key(address, KEY_RX);
	struct bucket bucket = bucket_of(address);
	struct latency_journey *journey = receive_same(skb, &bucket, key);

	if (journey)
		journey_end_because(journey, key, datagram_dropped(journey, reason), reason);
	key = packet_key(address, KEY_TX);
	journey = journey_in(&bucket, key);
	if (journey) {
		journey_end_because(journey, key, LATENCY_DROPPED, reason);
	} else {
		split_dropped(skb, reason);
		udp_split_dropped(skb, reason);
	}
	return 0;
}

SEC("tp_btf/softirq_entry")
int on_softirq(void *ctx)
{
	return owner_softirq(1);
}

SEC("tp_btf/softirq_exit")
int on_softirq_done(void *ctx)
{
	return owner_softirq(0);
}

char LICENSE[] SEC("license") = "GPL";
