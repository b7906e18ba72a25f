// SPDX-License-Identifier: GPL-2.0
/* Ids and names of XDP programs: a walk over all programs, which whoever has its descriptor may start. */
#include "kernel.h"
#include "xdp.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_prog_aux {
	__u32 id;
	char name[XDP_NAME_BYTES];
};

struct bpf_prog {
	enum bpf_prog_type type;
	struct bpf_prog_aux *aux;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_prog {
	struct bpf_iter_meta *meta;
	struct bpf_prog *prog;
};

#pragma clang attribute pop

SEC("iter/bpf_prog")
int xdp_name(struct bpf_iter__bpf_prog *ctx)
{
	struct bpf_prog *prog = ctx->prog;
	struct xdp_name name = {};
	int i;

	if (!prog || prog->type != BPF_PROG_TYPE_XDP)
		return 0;
	name.id = prog->aux->id;
	/* A lockdown refuses bpf_probe_read_kernel, but not loads whose type is known. */
#pragma unroll
	for (i = 0; i < XDP_NAME_BYTES; i++)
		name.name[i] = prog->aux->name[i];
	bpf_seq_write(ctx->meta->seq, &name, sizeof(name));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
