/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What a tunnel carries: one level, for the records that name both flows. */
#ifndef PLUMB_TUNNEL_BPF_H
#define PLUMB_TUNNEL_BPF_H

#include "parse.bpf.h"

enum tunnel_kind {
	TUNNEL_NONE = 0,
	TUNNEL_VXLAN = 1,
	TUNNEL_GENEVE = 2,
	TUNNEL_GRE = 3,
	TUNNEL_IPIP = 4,
};

/* RFC 2784 and 2890: checksum, key and sequence number are four bytes each where their flag is set. */
static __always_inline int tunnel_gre(const struct cursor *c, __u32 *at, __u16 *ethertype)
{
	__u8 header[4];

	if (cursor_read(c, *at, header, sizeof(header)) || header[1] & 0x07)
		return -1;
	*ethertype = (__u16)header[2] << 8 | header[3];
	*at += 4 + 4 * (!!(header[0] & 0x80) + !!(header[0] & 0x20) + !!(header[0] & 0x10));
	return 0;
}

/* RFC 7348 and RFC 8926, behind the UDP header. */
static __always_inline int tunnel_udp(const struct cursor *c, __u16 port, __u32 *at, __u16 *ethertype)
{
	__u8 header[8];

	if (cursor_read(c, *at + 8, header, sizeof(header)))
		return -1;
	if ((port == PORT_VXLAN || port == PORT_VXLAN_LINUX) && header[0] & 0x08) {
		*at += 16;
		*ethertype = ETHERTYPE_TEB;
		return TUNNEL_VXLAN;
	}
	if (port == PORT_GENEVE && header[0] >> 6 == 0) {
		*at += 16 + (header[0] & 0x3f) * 4;
		*ethertype = (__u16)header[2] << 8 | header[3];
		return TUNNEL_GENEVE;
	}
	return -1;
}

/* Fills `inner` with the flow that the packet behind `outer` carries; returns the kind of tunnel. */
__noinline int tunnel_parse(const struct cursor *c, const struct transport *outer,
			    const struct flow_key *flow, struct flow_key *inner)
{
	struct transport next = {};
	__u16 ethertype = 0;
	__be16 type;
	__u32 at;
	int kind;

	if (!c || !outer || !flow || !inner || !outer->first)
		return TUNNEL_NONE;
	at = outer->at;
	switch (outer->protocol) {
	case PROTOCOL_IPIP:
		ethertype = ETHERTYPE_IPV4;
		kind = TUNNEL_IPIP;
		break;
	case PROTOCOL_IPV6:
		ethertype = ETHERTYPE_IPV6;
		kind = TUNNEL_IPIP;
		break;
	case PROTOCOL_GRE:
		kind = tunnel_gre(c, &at, &ethertype) ? -1 : TUNNEL_GRE;
		break;
	case PROTOCOL_UDP:
		kind = flow->has_ports ? tunnel_udp(c, flow->dst_port, &at, &ethertype) : -1;
		break;
	default:
		kind = -1;
	}
	if (kind < 0)
		return TUNNEL_NONE;
	if (ethertype == ETHERTYPE_TEB) {
		if (cursor_read(c, at + 12, &type, sizeof(type)))
			return TUNNEL_NONE;
		ethertype = bpf_ntohs(type);
		at += 14;
	}
	parse_tags(c, &at, &ethertype);
	if (parse_network(c, at, ethertype, inner, &next))
		return TUNNEL_NONE;
	parse_transport(c, &next, inner);
	return kind;
}

#endif
