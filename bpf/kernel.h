/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The few kernel types that Plumb reads, by field name only. CO-RE moves every access to where the running
 * kernel keeps the field, so order and size here mean nothing. A flavour (name___suffix) stands for a field
 * that only some of the supported kernels have. */
#ifndef PLUMB_KERNEL_H
#define PLUMB_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct net {
	struct ns_common ns;
	unsigned long long net_cookie;
	struct hlist_head *dev_index_head;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	char name[16];
	int ifindex;
	unsigned short type;
	possible_net_t nd_net;
	struct hlist_node index_hlist;
};

struct dst_entry {
	struct net_device *dev;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock_common {
	unsigned short skc_dport; /* in network order */
	unsigned short skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
};

typedef struct {
	unsigned int val;
} kuid_t;

struct sk_buff;
struct socket;

struct sk_buff_head {
	struct sk_buff *next;
	struct sk_buff *prev;
};

struct sock {
	struct sock_common __sk_common;
	kuid_t sk_uid;
	struct sock_cgroup_data sk_cgrp_data;
	struct sk_buff_head sk_receive_queue;
	struct socket *sk_socket;
	__u8 sk_shutdown;
	__u16 sk_protocol;
};

struct tcp_sock {
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 write_seq;
};

struct tcp_skb_cb {
	__u32 end_seq;
	__u16 tcp_flags;
};

struct task_struct {
	int pid;
	int on_cpu;
};

struct sk_buff {
	struct sk_buff *next;
	struct sk_buff *prev;
	struct net_device *dev;
	struct sock *sk;
	unsigned long _skb_refdst;
	unsigned int len;
	int skb_iif;
	__be16 protocol;
	__be16 vlan_proto;
	__u16 vlan_tci;
	__u16 queue_mapping;
	__u16 network_header;
	__u16 transport_header;
	__u16 mac_header;
	unsigned int tail;
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
	char cb[48];
};

/* Found by name: their numbers differ. */
enum skb_drop_reason {
	SKB_DROP_REASON_NOT_SPECIFIED,
	SKB_DROP_REASON_QUEUE_PURGE, /* since 6.9 */
};

struct skb_shared_info {
	unsigned short gso_size;
};

struct xdp_rxq_info {
	struct net_device *dev;
};

struct xdp_buff {
	struct xdp_rxq_info *rxq;
	__u32 flags;
};

/* 6.2 to 6.13 on x86: before and after that the counter is a per-CPU variable of its own. */
struct pcpu_hot {
	int preempt_count;
};

/* rx_sk is the tracepoint's fourth argument since 6.11 (kernel commit c53795d48ee8). */
struct trace_event_raw_kfree_skb {
	void *rx_sk;
};

/* 6.1 keeps the presence of a VLAN tag in a bit of its own and leaves vlan_proto stale when the tag is
 * removed; 6.2 dropped the bit (kernel commit 354259fa73e2, "net: remove skb->vlan_present"). */
struct sk_buff___vlan_bit {
	__u8 vlan_present : 1;
};

#pragma clang attribute pop

#endif
