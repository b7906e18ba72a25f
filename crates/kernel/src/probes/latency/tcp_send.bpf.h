/* SPDX-License-Identifier: GPL-2.0 */
/* What TCP sockets were told to send: when, and by whom. A packet is told by its sequence number. */
#ifndef PLUMB_LATENCY_TCP_SEND_BPF_H
#define PLUMB_LATENCY_TCP_SEND_BPF_H

#include "tcp_socket.bpf.h"

enum sender_const {
	SENDER_FAR = 1 << 30, /* more than any window, and less than what sequence numbers can compare */
};

/* Before the data at `sequence` the sender may have been another one. */
static __always_inline void sender_note(struct tcp_socket *socket, __u32 sequence)
{
	__u8 comm[WIRE_COMM] __attribute__((aligned(8))) = {};
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct sender *sender = &socket->sender;

	if (!(config.owners & OWNER_PROCESS))
		return;
	bpf_get_current_comm(comm, sizeof(comm));
	if (sender->pid != pid || !filter_comm_is(sender->comm, comm)) {
		sender->pid = pid;
		sender->since = sequence;
		__builtin_memcpy(sender->comm, comm, sizeof(comm));
	} else if (sequence - sender->since > SENDER_FAR) {
		sender->since = sequence - SENDER_FAR;
	}
}

/* Who gave a socket the data of a packet, where that is known. */
static __always_inline void sender_copy(struct latency_journey *journey, __u64 sk)
{
	struct tcp_socket *socket;

	if (!(config.owners & OWNER_PROCESS))
		return;
	socket = tcp_socket_find(sk);
	if (!socket || after(socket->sender.since, journey->sequence))
		return;
	journey->owner.pid = socket->sender.pid;
	__builtin_memcpy(journey->owner.comm, socket->sender.comm, sizeof(journey->owner.comm));
}

/* `skb`: what the socket adds the data to; 0: a packet of its own. A packet was given to the socket when its
 * first byte was. */
static __always_inline void send_note(__u64 sk, __u64 skb, __u32 sequence)
{
	struct tcp_socket *socket = tcp_socket_make(sk);
	__u32 last;

	if (!socket)
		return;
	sender_note(socket, sequence);
	last = (socket->sends - 1) & (LATENCY_SENDS - 1);
	if (socket->sends && (socket->send[last].sequence == sequence || (skb && socket->filled == skb)))
		return;
	socket->filled = skb;
	last = socket->sends & (LATENCY_SENDS - 1);
	socket->send[last].sequence = sequence;
	socket->send[last].time = bpf_ktime_get_ns();
	socket->sends++;
}

/* When the data at this sequence number was given to the socket; 0 where that is not known any more. */
static __always_inline __u64 send_time(__u64 sk, __u32 sequence)
{
	struct tcp_socket *socket = tcp_socket_find(sk);
	__u32 number;

	if (!socket)
		return 0;
	number = socket->sends;
	for (int i = 0; i < LATENCY_SENDS; i++) {
		struct send *send;

		if (!number)
			break;
		send = &socket->send[--number & (LATENCY_SENDS - 1)];
		if (!after(send->sequence, sequence))
			return send->time;
	}
	return 0;
}

#endif
