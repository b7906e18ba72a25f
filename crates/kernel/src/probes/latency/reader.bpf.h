/* SPDX-License-Identifier: GPL-2.0 */
/* The process that reads a socket: when it was woken for that, and when it got a CPU. */
#ifndef PLUMB_LATENCY_READER_BPF_H
#define PLUMB_LATENCY_READER_BPF_H

#include "journey.bpf.h"

struct reader {
	__u64 sk;
	__u64 woken;
	__u64 running; /* 0: not yet */
	__u32 pid;
	__u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LATENCY_TASKS);
	__type(key, __u32);
	__type(value, struct reader);
} latency_readers SEC(".maps");

enum reader_const {
	/* Readers are woken within sk_data_ready, whose end has no tracepoint: what is woken later on that
	 * CPU is somebody else. */
	READER_WINDOW_NS = 100000,
};

/* Two threads may have the same place: the later one takes it, and the other's packets lack `woken` and
 * `running`, as those of a thread that was never seen to be woken. No stamp is another's: who reads one's own
 * compares thread and socket. */
static __always_inline struct reader *reader_at(__u32 pid)
{
	__u32 place = pid & (LATENCY_TASKS - 1);

	return bpf_map_lookup_elem(&latency_readers, &place);
}

/* The socket's readers are being woken on this CPU. */
static __always_inline void reader_open(__u64 sk, __u64 now)
{
	struct latency_cpu *cpu = this_cpu();

	if (!cpu)
		return;
	cpu->readable = sk;
	cpu->since = now;
}

static __always_inline void reader_close(void)
{
	struct latency_cpu *cpu = this_cpu();

	if (cpu)
		cpu->readable = 0;
}

/* `on_cpu`: it has a CPU still, as a process that was about to sleep does. */
static __always_inline void reader_woken(__u32 pid, int on_cpu)
{
	struct latency_cpu *cpu = this_cpu();
	struct reader *reader;
	__u64 now;

	if (!cpu || !cpu->readable)
		return;
	now = bpf_ktime_get_ns();
	if (now - cpu->since > READER_WINDOW_NS) {
		cpu->readable = 0;
		return;
	}
	reader = reader_at(pid);
	if (!reader)
		return;
	reader->pid = pid;
	reader->sk = cpu->readable;
	reader->woken = now;
	reader->running = on_cpu ? now : 0;
}

static __always_inline void reader_runs(__u32 pid)
{
	struct reader *reader = reader_at(pid);

	if (reader && reader->pid == pid && reader->woken &&
	    (!reader->running || reader->running == reader->woken))
		reader->running = bpf_ktime_get_ns();
}

/* Stamps what the running process waited for since the packet can be read. */
static __always_inline void reader_stamp(struct latency_journey *journey)
{
	__u32 pid = bpf_get_current_pid_tgid();
	struct reader *reader = reader_at(pid);
	__u64 readable = journey->stamps[(journey->count - 1) & (LATENCY_STAMPS - 1)];

	if (!reader || reader->pid != pid || reader->sk != journey->sk)
		return;
	if (readable >> LATENCY_HOOK_SHIFT != LATENCY_READABLE || reader->woken < (readable & STAMP_TIME))
		return;
	stamp_at(journey, LATENCY_WOKEN, reader->woken);
	if (reader->running >= reader->woken)
		stamp_at(journey, LATENCY_RUNNING, reader->running);
}

#endif
