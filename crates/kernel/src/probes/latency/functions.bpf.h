/* SPDX-License-Identifier: GPL-2.0 */
/* Hooks on functions, each by fentry or by a kprobe. What a kprobe is given are numbers, of which only
 * addresses are taken. */
#ifndef PLUMB_LATENCY_FUNCTIONS_BPF_H
#define PLUMB_LATENCY_FUNCTIONS_BPF_H

#include <linux/ptrace.h>

#include "transmit.bpf.h"

/* A stamp for the received packet that is an argument of a function. */
#define RECEIVE_AT(name, function, argument, parameter, hook)                                                \
	SEC("fentry/" #function) int name##_f(__u64 *ctx)                                                    \
	{                                                                                                    \
		return receive_stamp_at(address_of((void *)ctx[argument]), hook);                            \
	}                                                                                                    \
	SEC("kprobe/" #function) int name##_k(struct pt_regs *regs)                                          \
	{                                                                                                    \
		return receive_stamp_at(parameter(regs) - origin_address(), hook);                           \
	}

RECEIVE_AT(in_ip4, ip_rcv, 0, PT_REGS_PARM1, LATENCY_IP)
RECEIVE_AT(in_ip6, ipv6_rcv, 0, PT_REGS_PARM1, LATENCY_IP)
RECEIVE_AT(in_here4, ip_local_deliver, 0, PT_REGS_PARM1, LATENCY_LOCAL)
RECEIVE_AT(in_here6, ip6_input, 0, PT_REGS_PARM1, LATENCY_LOCAL)
RECEIVE_AT(in_tcp4, tcp_v4_rcv, 0, PT_REGS_PARM1, LATENCY_TRANSPORT)
RECEIVE_AT(in_tcp6, tcp_v6_rcv, 0, PT_REGS_PARM1, LATENCY_TRANSPORT)
RECEIVE_AT(in_udp4, udp_rcv, 0, PT_REGS_PARM1, LATENCY_TRANSPORT)
RECEIVE_AT(in_udp6, udpv6_rcv, 0, PT_REGS_PARM1, LATENCY_TRANSPORT)
RECEIVE_AT(in_sock4, udp_queue_rcv_skb, 1, PT_REGS_PARM2, LATENCY_SOCKET)
RECEIVE_AT(in_sock6, udpv6_queue_rcv_skb, 1, PT_REGS_PARM2, LATENCY_SOCKET)

SEC("fentry/tcp_data_queue")
int BPF_PROG(in_data_f, struct sock *sk, struct sk_buff *skb)
{
	return tcp_slowly(address_of(sk), address_of(skb));
}

SEC("kprobe/tcp_data_queue")
int in_data_k(struct pt_regs *regs)
{
	__u64 start = origin_address();

	return tcp_slowly(PT_REGS_PARM1(regs) - start, PT_REGS_PARM2(regs) - start);
}

/* What is noted for the packet that comes to a device next on this CPU. */
#define TRANSMIT_AT(name, function, argument, parameter, note)                                               \
	SEC("fentry/" #function) int name##_f(__u64 *ctx)                                                    \
	{                                                                                                    \
		return note(address_of((void *)ctx[argument]));                                              \
	}                                                                                                    \
	SEC("kprobe/" #function) int name##_k(struct pt_regs *regs)                                          \
	{                                                                                                    \
		return note(parameter(regs) - origin_address());                                             \
	}

TRANSMIT_AT(out_send4, udp_sendmsg, 0, PT_REGS_PARM1, transmit_sends)
TRANSMIT_AT(out_send6, udpv6_sendmsg, 0, PT_REGS_PARM1, transmit_sends)
TRANSMIT_AT(out_tcp, __tcp_transmit_skb, 0, PT_REGS_PARM1, transmit_transports)
TRANSMIT_AT(out_udp4, udp_send_skb, 0, PT_REGS_PARM1, transmit_transports)
TRANSMIT_AT(out_udp6, udp_v6_send_skb, 0, PT_REGS_PARM1, transmit_transports)
TRANSMIT_AT(out_ip4, ip_output, 2, PT_REGS_PARM3, transmit_routed)
TRANSMIT_AT(out_ip6, ip6_output, 2, PT_REGS_PARM3, transmit_routed)

SEC("fexit/udp_sendmsg")
int out_sent4(void *ctx)
{
	return transmit_sends(0);
}

SEC("fexit/udpv6_sendmsg")
int out_sent6(void *ctx)
{
	return transmit_sends(0);
}

/* Before 6.3 and 6.14 these have no tracepoints. */
SEC("fentry/sock_def_readable")
int BPF_PROG(on_readable_f, struct sock *sk)
{
	return receive_readable(sk);
}

SEC("fentry/tcp_sendmsg_locked")
int BPF_PROG(on_send_f, struct sock *sk)
{
	return transmit_tcp(sk, 0);
}

#endif
