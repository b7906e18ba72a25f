// SPDX-License-Identifier: GPL-2.0
/* The kernel side's parser compiled for this machine: reads frames from standard input (a 32-bit length, then
 * the bytes, at 14 bytes an Ethernet header) and answers each with a fixed struct. The address sanitizer
 * watches that nothing outside the frame is read. */
#define PLUMB_KERNEL_H /* in place of bpf/kernel.h: what the parser uses of it */
#include <arpa/inet.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __noinline __attribute__((noinline))
#define bpf_ntohs  ntohs
#define bpf_ntohl  ntohl
#undef __always_inline
#define __always_inline inline

static long bpf_probe_read_kernel(void *to, __u32 size, const void *from)
{
	memcpy(to, from, size);
	return 0;
}

#include "parse.bpf.h"
#include "tunnel.bpf.h"

struct answer {
	struct flow_key flow;
	struct flow_key inner;
	__s32 vlan;
	__s32 tcp_flags;
	__u32 tunnel;
	__u32 ethertype;
	__u32 sequence;
	__u32 tcp_header;
};

static struct answer parse(const unsigned char *frame, __u32 length)
{
	struct cursor c = {.head = frame, .at = 14, .end = length};
	struct answer a = {.vlan = -1, .tcp_flags = -1};
	struct transport next = {};
	__u16 ethertype = (__u16)frame[12] << 8 | frame[13];

	a.vlan = parse_tags(&c, &c.at, &ethertype);
	a.ethertype = ethertype;
	if (parse_network(&c, c.at, ethertype, &a.flow, &next))
		return a;
	a.tcp_flags = parse_transport(&c, &next, &a.flow);
	a.sequence = next.sequence;
	a.tcp_header = next.header;
	a.tunnel = tunnel_parse(&c, &next, &a.flow, &a.inner);
	return a;
}

int main(void)
{
	__u32 length;

	while (fread(&length, sizeof(length), 1, stdin) == 1) {
		/* Exactly as large as the frame, so that the sanitizer sees one byte too many. */
		unsigned char *frame = malloc(length);
		struct answer a;

		if (length < 14 || fread(frame, 1, length, stdin) != length)
			return 1;
		a = parse(frame, length);
		free(frame);
		if (fwrite(&a, sizeof(a), 1, stdout) != 1)
			return 1;
	}
	return 0;
}
