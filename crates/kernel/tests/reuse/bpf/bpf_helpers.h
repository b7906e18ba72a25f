/* SPDX-License-Identifier: GPL-2.0 */
/* In place of libbpf's headers: what the programs of the latency probe use of BPF, on this machine. */
#ifndef PLUMB_REUSE_HELPERS_H
#define PLUMB_REUSE_HELPERS_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#undef __always_inline
#define __always_inline inline
#define __noinline	__attribute__((noinline))
#define SEC(name)
#define __uint(name, value)   int(*name)[value]
#define __type(name, value)   typeof(value) *name
#define BPF_PROG(name, ...)   name(__VA_ARGS__)
#define barrier_var(variable) (void)(variable)

#define bpf_ntohs ntohs
#define bpf_ntohl ntohl
#define bpf_htons htons

#define bpf_core_field_offset(type, field)	offsetof(type, field)
#define bpf_core_field_exists(field)		1
#define bpf_core_field_size(type, field)	sizeof(((type *)0)->field)
#define bpf_core_enum_value(type, value)	value
#define bpf_core_enum_value_exists(type, value) 1

/* One field, or one of what a field points to. */
#define READ_1(from, a)		    ((from)->a)
#define READ_2(from, a, b)	    ((from)->a ? (from)->a->b : (void *)0)
#define PICK(_1, _2, _3, name, ...) name
#define BPF_CORE_READ(...)	    PICK(__VA_ARGS__, READ_2, READ_1, )(__VA_ARGS__)

#define PT_REGS_PARM1(regs) ((__u64)((regs) ? 0 : 0))
#define PT_REGS_PARM2(regs) PT_REGS_PARM1(regs)
#define PT_REGS_PARM3(regs) PT_REGS_PARM1(regs)

/* The CPU and the time of the step that runs. */
extern __u32 this_step_cpu;
extern __u64 this_step;
void submitted(const void *record);
void *map_value(const void *map, int type, __u32 entries, __u32 size, __u32 place);

/* An array whose entries map_value knows: a function may be told which map to look at. */
struct some_map {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[1];
	int *value;
};

#define TYPED(map)		 _Generic((map), void * : (struct some_map *)0, default : (map))
#define SIZE_OF_MAP(map, member) (sizeof(*TYPED(map)->member) / sizeof(int))
#define bpf_map_lookup_elem(map, key)                                                                        \
	map_value(map, SIZE_OF_MAP(map, type), SIZE_OF_MAP(map, max_entries), sizeof(*TYPED(map)->value),    \
		  *(const __u32 *)(key))

static inline __u64 bpf_ktime_get_ns(void)
{
	return this_step;
}

static inline __u32 bpf_get_smp_processor_id(void)
{
	return this_step_cpu;
}

static inline __u32 bpf_get_prandom_u32(void)
{
	return 0;
}

static inline __u64 bpf_get_current_pid_tgid(void)
{
	return 1;
}

static inline long bpf_probe_read_kernel(void *to, __u32 size, const void *from)
{
	memcpy(to, from, size);
	return 0;
}

static inline long bpf_probe_read_kernel_str(void *to, __u32 size, const void *from)
{
	strncpy(to, from, size);
	return size;
}

/* Hash maps have no room here: what is asked of the programs needs none. */
#define bpf_map_update_elem(map, key, value, flags) (-1)

/* No socket here is one of TCP. */
static inline void *bpf_skc_to_tcp_sock(const void *sk)
{
	return NULL;
}

static inline long bpf_get_current_comm(void *to, __u32 size)
{
	memset(to, 0, size);
	return 0;
}

static inline void *reserved(__u64 size)
{
	return calloc(1, size);
}

#define bpf_ringbuf_reserve(ring, size, flags) reserved(size)

static inline void bpf_ringbuf_submit(void *record, __u64 flags)
{
	submitted(record);
	free(record);
}

#endif
