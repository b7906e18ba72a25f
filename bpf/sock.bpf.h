/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Whom a socket belongs to. */
#ifndef PLUMB_SOCK_BPF_H
#define PLUMB_SOCK_BPF_H

#include "kernel.h"

/* A socket that is no request or time-wait entry, which have no owner: the states of
 * include/net/tcp_states.h. */
static __always_inline int socket_is_full(struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	return state != 6 /* TCP_TIME_WAIT */ && state != 12 /* TCP_NEW_SYN_RECV */;
}

static __always_inline __u32 socket_uid(struct sock *sk)
{
	return sk->sk_uid.val;
}

static __always_inline __u64 socket_cgroup(struct sock *sk)
{
	struct cgroup *cgroup = sk->sk_cgrp_data.cgroup;

	return cgroup ? cgroup->kn->id : 0;
}

#endif
