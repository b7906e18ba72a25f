/* SPDX-License-Identifier: GPL-2.0 */
/* Whose a packet is: its socket's user and cgroup, and the process that reads it or sent it. Noted only where
 * the filter or a record asks. */
#ifndef PLUMB_LATENCY_OWNER_BPF_H
#define PLUMB_LATENCY_OWNER_BPF_H

#include "filter.bpf.h"
#include "sock.bpf.h"
#include "state.bpf.h"

static __always_inline void owner_clear(struct latency_journey *journey)
{
	if (config.owners)
		__builtin_memset(&journey->owner, 0, sizeof(journey->owner));
}

static __always_inline void owner_socket(struct latency_journey *journey, struct sock *sk)
{
	if (!(config.owners & OWNER_SOCKET) || !socket_is_full(sk))
		return;
	journey->owner.cgroup = socket_cgroup(sk);
	journey->owner.uid = socket_uid(sk);
	journey->flags |= JOURNEY_HAS_SOCKET;
}

/* A softirq begins or ends on this CPU. */
static __always_inline int owner_softirq(__u64 begins)
{
	struct latency_cpu *cpu = this_cpu();

	if (cpu)
		cpu->softirq = begins;
	return 0;
}

/* The running process; what a softirq does is nobody's. */
__noinline int owner_note(struct latency_journey *journey)
{
	struct latency_cpu *cpu = this_cpu();

	if (!journey || !cpu || cpu->softirq)
		return 0;
	journey->owner.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(journey->owner.comm, sizeof(journey->owner.comm));
	return 0;
}

static __always_inline void owner_runs(struct latency_journey *journey)
{
	if (config.owners & OWNER_PROCESS)
		owner_note(journey);
}

/* `flags`: of the journey. */
static __always_inline int owner_is_asked_for(__u8 flags, __u32 uid, __u64 cgroup)
{
	filter_t *f = &config.filter;

	if (!f->n_uids && !f->n_cgroups)
		return 1;
	return flags & JOURNEY_HAS_SOCKET && filter_owner(f, uid, cgroup);
}

static __always_inline int owner_socket_passes(const struct latency_journey *journey)
{
	return owner_is_asked_for(journey->flags, journey->owner.uid, journey->owner.cgroup);
}

/* Whether a packet is one of those that were asked for. What is nobody's, or not known to be somebody's, is
 * not. */
__noinline int owner_passes(struct latency_journey *journey)
{
	filter_t *f = &config.filter;

	if (!journey || !owner_socket_passes(journey))
		return 0;
	if (!f->n_pids && !f->n_comms)
		return 1;
	return journey->owner.pid && filter_task(f, journey->owner.pid, journey->owner.comm);
}

#endif
