/* SPDX-License-Identifier: GPL-2.0 */
/* Which drops are kept: the filters, the noise list, the sample. */
#ifndef PLUMB_DROPS_SELECT_BPF_H
#define PLUMB_DROPS_SELECT_BPF_H

#include "filter.bpf.h"
#include "packet.bpf.h"

static __always_inline int reason_passes(__u32 reason)
{
	int listed = !config.n_reasons;

	for (int i = 0; i < DROPS_REASONS_MAX; i++) {
		if (i >= config.n_reasons)
			break;
		listed |= config.reasons[i] == reason;
	}
	for (int i = 0; i < DROPS_REASONS_MAX; i++) {
		if (i >= config.n_not_reasons)
			break;
		if (config.not_reasons[i] == reason)
			return 0;
	}
	return listed;
}

/* A global function: the verifier checks its loop once, rather than for every way that leads here. */
__noinline int noise_matches(__u64 location, __u32 reason, __u32 socket_family)
{
	__u32 count = late.n_noise;

	for (int i = 0; i < DROPS_NOISE_MAX; i++) {
		struct drops_noise *rule = &late.noise[i];

		if (i >= count)
			break;
		if (rule->reason != DROPS_ANY_REASON && rule->reason != reason)
			continue;
		if (rule->socket_family && rule->socket_family != socket_family)
			continue;
		if (location >= rule->start && location < rule->end)
			return 1;
	}
	return 0;
}

static __always_inline int socket_passes(struct sock *sk)
{
	filter_t *f = &config.filter;

	if (!f->n_uids && !f->n_cgroups)
		return 1;
	if (!sk || !socket_is_full(sk))
		return 0;
	return filter_owner(f, f->n_uids ? socket_uid(sk) : 0, f->n_cgroups ? socket_cgroup(sk) : 0);
}

static __always_inline int headers_pass(const struct drop *d)
{
	struct headers h;

	if (!filter_needs_headers(&config.filter))
		return 1;
	drop_headers(d, &h);
	return filter_headers(&config.filter, &h.flow);
}

static __always_inline int drop_passes(struct drop *d, struct drops_counters *counters)
{
	if (!reason_passes(d->place.reason) ||
	    !filter_place(&config.filter, d->netns, d->place.netns, d->place.ifindex) || !headers_pass(d) ||
	    !socket_passes(d->sk) || !filter_process(&config.filter)) {
		counters->filtered++;
		return 0;
	}
	if (noise_matches(d->place.location, d->place.reason, d->socket_family)) {
		counters->filtered++;
		counters->hidden++;
		return 0;
	}
	if (config.sample > 1 && bpf_get_prandom_u32() % config.sample) {
		counters->sampled_out++;
		return 0;
	}
	return 1;
}

#endif
