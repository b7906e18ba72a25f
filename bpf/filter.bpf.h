/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The common filter. Its config is read-only data, so the verifier removes every word that was not given. */
#ifndef PLUMB_FILTER_BPF_H
#define PLUMB_FILTER_BPF_H

#include "kernel.h"
#include "wire.h"

typedef const volatile struct filter_config filter_t;

/* Whether any word looks into the packet's headers, so that the others need not pay for the parser. */
static __always_inline int filter_needs_headers(filter_t *f)
{
	return f->n_hosts || f->n_sources || f->n_destinations || f->n_ports || f->n_source_ports ||
	       f->n_destination_ports || f->n_protocols;
}

static __always_inline int filter_in_prefix(const volatile struct filter_prefix *p, const __u8 *address,
					    __u8 version)
{
	const __u64 *words = (const __u64 *)address;

	return p->version == version && (words[0] & p->mask[0]) == p->address[0] &&
	       (words[1] & p->mask[1]) == p->address[1];
}

#define FILTER_ANY(i, count, test)                                                                           \
	({                                                                                                   \
		int _found = 0;                                                                              \
		for (int i = 0; i < WIRE_FILTER_MAX; i++) {                                                  \
			if (i >= (count))                                                                    \
				break;                                                                       \
			if (test) {                                                                          \
				_found = 1;                                                                  \
				break;                                                                       \
			}                                                                                    \
		}                                                                                            \
		_found;                                                                                      \
	})

static __always_inline int filter_port_in(const volatile struct filter_ports *range, __u16 port)
{
	return port >= range->first && port <= range->last;
}

static __always_inline int filter_place(filter_t *f, __u32 netns, __u64 cookie, __u32 ifindex)
{
	if (f->netns && f->netns != netns)
		return 0;
	if (f->netns_cookie && f->netns_cookie != cookie)
		return 0;
	if (f->n_interfaces &&
	    !FILTER_ANY(i, f->n_interfaces,
			f->interfaces[i].netns == cookie && f->interfaces[i].ifindex == ifindex))
		return 0;
	return 1;
}

static __always_inline int filter_addresses(filter_t *f, const struct flow_key *flow)
{
	if (f->n_hosts && !FILTER_ANY(i, f->n_hosts,
				      filter_in_prefix(&f->hosts[i], flow->src, flow->version) ||
					      filter_in_prefix(&f->hosts[i], flow->dst, flow->version)))
		return 0;
	if (f->n_sources &&
	    !FILTER_ANY(i, f->n_sources, filter_in_prefix(&f->sources[i], flow->src, flow->version)))
		return 0;
	if (f->n_destinations && !FILTER_ANY(i, f->n_destinations,
					     filter_in_prefix(&f->destinations[i], flow->dst, flow->version)))
		return 0;
	return 1;
}

static __always_inline int filter_ports(filter_t *f, const struct flow_key *flow)
{
	if (!f->n_ports && !f->n_source_ports && !f->n_destination_ports)
		return 1;
	if (!flow->has_ports)
		return 0;
	if (f->n_ports && !FILTER_ANY(i, f->n_ports,
				      filter_port_in(&f->ports[i], flow->src_port) ||
					      filter_port_in(&f->ports[i], flow->dst_port)))
		return 0;
	if (f->n_source_ports &&
	    !FILTER_ANY(i, f->n_source_ports, filter_port_in(&f->source_ports[i], flow->src_port)))
		return 0;
	if (f->n_destination_ports &&
	    !FILTER_ANY(i, f->n_destination_ports, filter_port_in(&f->destination_ports[i], flow->dst_port)))
		return 0;
	return 1;
}

static __always_inline int filter_headers(filter_t *f, const struct flow_key *flow)
{
	if (f->n_protocols &&
	    (!flow->version || !FILTER_ANY(i, f->n_protocols, f->protocols[i] == flow->protocol)))
		return 0;
	return filter_addresses(f, flow) && filter_ports(f, flow);
}

static __always_inline int filter_comm_is(const volatile __u8 *want, const __u8 *comm)
{
	const volatile __u64 *a = (const volatile __u64 *)want;
	const __u64 *b = (const __u64 *)comm;

	return a[0] == b[0] && a[1] == b[1];
}

/* A process by its number, and by its name. */
static __always_inline int filter_task(filter_t *f, __u32 pid, const __u8 *comm)
{
	if (f->n_pids && !FILTER_ANY(i, f->n_pids, f->pids[i] == pid))
		return 0;
	return !f->n_comms || FILTER_ANY(i, f->n_comms, filter_comm_is(f->comms[i], comm));
}

/* A socket by its user and its cgroup. */
static __always_inline int filter_owner(filter_t *f, __u32 uid, __u64 cgroup)
{
	if (f->n_uids && !FILTER_ANY(i, f->n_uids, f->uids[i] == uid))
		return 0;
	return !f->n_cgroups || FILTER_ANY(i, f->n_cgroups, f->cgroups[i] == cgroup);
}

/* The running process. */
static __always_inline int filter_process(filter_t *f)
{
	__u8 comm[WIRE_COMM] __attribute__((aligned(8))) = {};

	if (!f->n_pids && !f->n_comms)
		return 1;
	if (f->n_comms)
		bpf_get_current_comm(comm, sizeof(comm));
	return filter_task(f, bpf_get_current_pid_tgid() >> 32, comm);
}

#endif
