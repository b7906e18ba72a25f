/* SPDX-License-Identifier: GPL-2.0 */
/* TCP packets outside established connections, which tcp_probe does not tell of: those that end the
 * handshake, as with TCP_DEFER_ACCEPT, and those that come after this side has closed its sending half. They
 * are found by their sequence numbers once their data can be read. */
#ifndef PLUMB_LATENCY_TCP_STATES_BPF_H
#define PLUMB_LATENCY_TCP_STATES_BPF_H

#include "merge.bpf.h"

/* include/net/tcp_states.h, include/net/sock.h */
enum tcp_state_const {
	TCP_STATE_ESTABLISHED = 1,
	TCP_STATE_CLOSE = 7,
	SOCKET_RCV_SHUTDOWN = 1,
};

/* Whether that may be so. A socket that ends its handshake was not accepted by a process yet. */
static __always_inline int tcp_is_unprobed(struct sock *sk)
{
	return sk->__sk_common.skc_state != TCP_STATE_ESTABLISHED || !sk->sk_socket;
}

/* What comes next behind the packets that wait; where none does, all before what was not read yet was. */
static __always_inline __u32 tcp_unprobed_since(const struct tcp_socket *socket, __u64 sk, __u32 copied)
{
	struct latency_journey *last = (void *)0;

	if (socket && socket->head != socket->tail)
		last = tcp_queue_packet(socket, sk, socket->tail - 1);
	return last ? last->end_sequence : copied;
}

/* `socket`: null where it is not known yet. */
static __always_inline void tcp_find_unprobed(struct sock *sk, struct tcp_sock *tcp,
					      struct tcp_socket *socket)
{
	__u32 ports = (__u32)bpf_ntohs(sk->__sk_common.skc_dport) << 16 | sk->__sk_common.skc_num;
	__u32 next = tcp_unprobed_since(socket, address_of(sk), tcp->copied_seq);
	/* A FIN has a number and no data. */
	__u32 end = tcp->rcv_nxt - (sk->sk_shutdown & SOCKET_RCV_SHUTDOWN);
	struct merged merged = {};

	if (!after(end, next))
		return;
	merge_begin(&merged, sk, ports, next);
	merge_known(socket, &merged, end);
}

#endif
