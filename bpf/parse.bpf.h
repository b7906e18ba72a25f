/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* One packet parser with a cursor. Total on any bytes: what is not there stays zero.
 *
 * The functions that branch much are global ones: the verifier checks each once, on its own, instead of once
 * for every path that leads to it. Their pointers may be null as far as it knows, so they ask. */
#ifndef PLUMB_PARSE_BPF_H
#define PLUMB_PARSE_BPF_H

#include "kernel.h"
#include "wire.h"

enum parse_ethertype { /* IEEE 802 numbers */
		       ETHERTYPE_IPV4 = 0x0800,
		       ETHERTYPE_ARP = 0x0806,
		       ETHERTYPE_TEB = 0x6558, /* transparent Ethernet bridging, in GRE and Geneve */
		       ETHERTYPE_VLAN = 0x8100,
		       ETHERTYPE_IPV6 = 0x86dd,
		       ETHERTYPE_QINQ = 0x88a8,
};

enum parse_protocol { /* IANA protocol numbers */
		      PROTOCOL_HOPOPTS = 0,
		      PROTOCOL_IPIP = 4,
		      PROTOCOL_TCP = 6,
		      PROTOCOL_UDP = 17,
		      PROTOCOL_DCCP = 33,
		      PROTOCOL_IPV6 = 41,
		      PROTOCOL_ROUTING = 43,
		      PROTOCOL_FRAGMENT = 44,
		      PROTOCOL_GRE = 47,
		      PROTOCOL_AH = 51,
		      PROTOCOL_DSTOPTS = 60,
		      PROTOCOL_SCTP = 132,
		      PROTOCOL_MOBILITY = 135,
		      PROTOCOL_UDPLITE = 136,
};

enum parse_tcp { TCP_FIN = 0x01 };

enum parse_port { /* IANA service ports of tunnels; 8472 is the kernel's own old default for VXLAN */
		  PORT_VXLAN = 4789,
		  PORT_VXLAN_LINUX = 8472,
		  PORT_GENEVE = 6081,
};

enum parse_const {
	PARSE_EXTENSIONS = 8, /* IPv6 extension headers that are followed */
	PARSE_TAGS = 2,	      /* VLAN tags that are followed */
};

/* Bytes of kernel memory: [head + at, head + end). */
struct cursor {
	const unsigned char *head;
	__u32 at;
	__u32 end;
};

/* Where the transport header begins; `first` is false in a later fragment, which has none. Of TCP also the
 * header's length in bytes, 0 where it is not there. */
struct transport {
	__u32 at;
	__u32 sequence;
	__u8 protocol;
	__u8 first;
	__u8 header;
};

static __always_inline int cursor_read(const struct cursor *c, __u32 at, void *to, __u32 size)
{
	if (at > c->end || size > c->end - at)
		return -1;
	return bpf_probe_read_kernel(to, size, c->head + at);
}

/* RFC 791. */
__noinline int parse_ipv4(const struct cursor *c, __u32 at, struct flow_key *flow, struct transport *next)
{
	__u8 header[20] __attribute__((aligned(4)));
	__u32 length;

	if (!c || !flow || !next)
		return -1;
	if (cursor_read(c, at, header, sizeof(header)))
		return -1;
	length = (header[0] & 0x0f) * 4;
	if (header[0] >> 4 != 4 || length < sizeof(header))
		return -1;
	*(__u32 *)flow->src = *(__u32 *)(header + 12);
	*(__u32 *)flow->dst = *(__u32 *)(header + 16);
	flow->version = 4;
	flow->protocol = header[9];
	next->protocol = header[9];
	next->at = at + length;
	next->first = !((header[6] & 0x1f) | header[7]);
	return 0;
}

/* RFC 8200, with the lengths of AH (RFC 4302) and of the mobility header (RFC 6275). */
__noinline int parse_ipv6(const struct cursor *c, __u32 at, struct flow_key *flow, struct transport *next)
{
	__u8 header[40] __attribute__((aligned(8)));
	__u8 protocol;

	if (!c || !flow || !next)
		return -1;
	if (cursor_read(c, at, header, sizeof(header)) || header[0] >> 4 != 6)
		return -1;
	__builtin_memcpy(flow->src, header + 8, 16);
	__builtin_memcpy(flow->dst, header + 24, 16);
	flow->version = 6;
	protocol = header[6];
	next->first = 1;
	at += 40;
	for (int i = 0; i < PARSE_EXTENSIONS; i++) {
		if (protocol != PROTOCOL_HOPOPTS && protocol != PROTOCOL_ROUTING &&
		    protocol != PROTOCOL_DSTOPTS && protocol != PROTOCOL_MOBILITY &&
		    protocol != PROTOCOL_FRAGMENT && protocol != PROTOCOL_AH)
			break;
		if (cursor_read(c, at, header, 8)) {
			next->first = 0;
			break;
		}
		if (protocol == PROTOCOL_FRAGMENT && (header[2] | (header[3] & 0xf8)))
			next->first = 0;
		if (protocol == PROTOCOL_FRAGMENT)
			at += 8;
		else if (protocol == PROTOCOL_AH)
			at += (header[1] + 2) * 4;
		else
			at += (header[1] + 1) * 8;
		protocol = header[0];
		if (!next->first)
			break;
	}
	flow->protocol = protocol;
	next->protocol = protocol;
	next->at = at;
	return 0;
}

static __always_inline int parse_network(const struct cursor *c, __u32 at, __u16 ethertype,
					 struct flow_key *flow, struct transport *next)
{
	if (ethertype == ETHERTYPE_IPV4)
		return parse_ipv4(c, at, flow, next);
	if (ethertype == ETHERTYPE_IPV6)
		return parse_ipv6(c, at, flow, next);
	return -1;
}

/* Ports; returns the TCP flags byte, or -1 where there is none. Of TCP all is read at once: a read costs more
 * than what it copies. */
__noinline int parse_transport(const struct cursor *c, struct transport *t, struct flow_key *flow)
{
	__u8 header[16] __attribute__((aligned(8))) = {};
	int has_flags;

	if (!c || !t || !flow || !t->first)
		return -1;
	switch (t->protocol) {
	case PROTOCOL_TCP:
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
	case PROTOCOL_SCTP:
	case PROTOCOL_DCCP:
		break;
	default:
		return -1;
	}
	has_flags = t->protocol == PROTOCOL_TCP && !cursor_read(c, t->at, header, 14);
	if (!has_flags && cursor_read(c, t->at, header, 4))
		return -1;
	flow->src_port = bpf_ntohs(*(__be16 *)header);
	flow->dst_port = bpf_ntohs(*(__be16 *)(header + 2));
	flow->has_ports = 1;
	if (!has_flags)
		return -1;
	t->sequence = bpf_ntohl(*(__be32 *)(header + 4));
	t->header = (header[12] >> 4) * 4;
	return header[13];
}

/* Follows VLAN tags: *at is behind an Ethernet type field that held *ethertype. Returns the first VLAN id or
 * -1. */
__noinline int parse_tags(const struct cursor *c, __u32 *at, __u16 *ethertype)
{
	__be16 tag[2];
	int vlan = -1;

	if (!c || !at || !ethertype)
		return -1;
	for (int i = 0; i < PARSE_TAGS; i++) {
		if (*ethertype != ETHERTYPE_VLAN && *ethertype != ETHERTYPE_QINQ)
			break;
		if (cursor_read(c, *at, tag, sizeof(tag)))
			break;
		if (vlan < 0)
			vlan = bpf_ntohs(tag[0]) & 0x0fff;
		*ethertype = bpf_ntohs(tag[1]);
		*at += 4;
	}
	return vlan;
}

#endif
