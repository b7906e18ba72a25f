/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* One packet parser with a cursor. Total on any bytes: what is not there stays zero.
 *
 * The cursor reads kernel memory for tracing programs, and packets themselves for those that include
 * frame.bpf.h. For the former the functions that branch much are global ones: the verifier checks each once,
 * on its own, instead of once for every path that leads to it. Their pointers may be null as far as it knows,
 * so they ask. */
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
		      PROTOCOL_ICMP = 1,
		      PROTOCOL_IPIP = 4,
		      PROTOCOL_TCP = 6,
		      PROTOCOL_UDP = 17,
		      PROTOCOL_DCCP = 33,
		      PROTOCOL_IPV6 = 41,
		      PROTOCOL_ROUTING = 43,
		      PROTOCOL_FRAGMENT = 44,
		      PROTOCOL_GRE = 47,
		      PROTOCOL_AH = 51,
		      PROTOCOL_ICMPV6 = 58,
		      PROTOCOL_DSTOPTS = 60,
		      PROTOCOL_SCTP = 132,
		      PROTOCOL_MOBILITY = 135,
		      PROTOCOL_UDPLITE = 136,
};

enum parse_tcp {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_OPTION_END = 0,
	TCP_OPTION_NOTHING = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTION_SCALE = 3,
	TCP_OPTIONS = 40, /* bytes at most */
};

enum parse_port { /* IANA service ports of tunnels; 8472 is the kernel's own old default for VXLAN */
		  PORT_VXLAN = 4789,
		  PORT_VXLAN_LINUX = 8472,
		  PORT_GENEVE = 6081,
};

enum parse_const {
	PARSE_EXTENSIONS = 8, /* IPv6 extension headers that are followed */
	PARSE_TAGS = 2,	      /* VLAN tags that are followed */
};

#ifndef PARSE_FRAMES
/* Bytes of kernel memory: [head + at, head + end). */
struct cursor {
	const unsigned char *head;
	__u32 at;
	__u32 end;
};

static __always_inline int cursor_read(const struct cursor *c, __u32 at, void *to, __u32 size)
{
	if (at > c->end || size > c->end - at)
		return -1;
	return bpf_probe_read_kernel(to, size, c->head + at);
}
#endif

/* Where the transport header begins; `first` is false in a later fragment, which has none. Of TCP also the
 * header's length in bytes, 0 where it is not there. */
struct transport {
	__u32 at;
	__u32 sequence;
	__u8 protocol;
	__u8 first;
	__u8 header;
};

enum headers_bits {
	HEADERS_FIRST_FRAGMENT = 1 << 0,
	HEADERS_LATER_FRAGMENT = 1 << 1,
	HEADERS_TRUNCATED = 1 << 2,  /* a header is not whole */
	HEADERS_ID = 1 << 3,	     /* ip_id is there */
	HEADERS_NO_OPTIONS = 1 << 4, /* a SYN's options are not whole */
};

/* What headers say beyond the key of their flow. Functions that take a null one leave it out, and the
 * compiler the code. */
struct header_fields {
	__u32 ip_length; /* of the whole IP packet in bytes, as it says of itself */
	__u32 ack;
	__u32 ip_id; /* of IPv4 16 bits, of an IPv6 fragment header 32 */
	__u16 window;
	__u16 tcp_flags;       /* 12 bits */
	__u16 icmp_id;	       /* of echos */
	__u16 network_header;  /* bytes, extension headers included */
	__u8 transport_header; /* bytes; 0 of protocols that are not known here, and of later fragments */
	__u8 ttl;
	__u8 tos;
	__u8 bits;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 syn_scale; /* window scale of a SYN + 1; 0: it has none */
	__u16 syn_mss;	/* maximum segment size of a SYN; 0: it has none */
};

/* RFC 791. */
static __always_inline int read_ipv4(const struct cursor *c, __u32 at, struct flow_key *flow,
				     struct transport *next, struct header_fields *more)
{
	__u8 header[20] __attribute__((aligned(4)));
	__u32 length;

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
	if (!more)
		return 0;
	more->tos = header[1];
	more->ip_length = bpf_ntohs(*(__be16 *)(header + 2));
	more->ip_id = bpf_ntohs(*(__be16 *)(header + 4));
	more->ttl = header[8];
	more->network_header = length;
	more->bits |= HEADERS_ID;
	if (!next->first)
		more->bits |= HEADERS_LATER_FRAGMENT;
	else if (header[6] & 0x20)
		more->bits |= HEADERS_FIRST_FRAGMENT;
	return 0;
}

/* RFC 8200, with the lengths of AH (RFC 4302) and of the mobility header (RFC 6275). */
static __always_inline int read_ipv6(const struct cursor *c, __u32 at, struct flow_key *flow,
				     struct transport *next, struct header_fields *more)
{
	__u8 header[40] __attribute__((aligned(8)));
	__u32 start = at;
	__u8 protocol;

	if (cursor_read(c, at, header, sizeof(header)) || header[0] >> 4 != 6)
		return -1;
	__builtin_memcpy(flow->src, header + 8, 16);
	__builtin_memcpy(flow->dst, header + 24, 16);
	flow->version = 6;
	protocol = header[6];
	next->first = 1;
	if (more) {
		more->tos = header[0] << 4 | header[1] >> 4;
		more->ip_length = 40 + bpf_ntohs(*(__be16 *)(header + 4));
		more->ttl = header[7];
	}
	at += 40;
	for (int i = 0; i < PARSE_EXTENSIONS; i++) {
		if (protocol != PROTOCOL_HOPOPTS && protocol != PROTOCOL_ROUTING &&
		    protocol != PROTOCOL_DSTOPTS && protocol != PROTOCOL_MOBILITY &&
		    protocol != PROTOCOL_FRAGMENT && protocol != PROTOCOL_AH)
			break;
		if (cursor_read(c, at, header, 8)) {
			next->first = 0;
			if (more)
				more->bits |= HEADERS_TRUNCATED;
			break;
		}
		if (protocol == PROTOCOL_FRAGMENT && (header[2] | (header[3] & 0xf8)))
			next->first = 0;
		if (more && protocol == PROTOCOL_FRAGMENT) {
			more->ip_id = bpf_ntohl(*(__be32 *)(header + 4));
			more->bits |= HEADERS_ID;
			if (!next->first)
				more->bits |= HEADERS_LATER_FRAGMENT;
			else if (header[3] & 1)
				more->bits |= HEADERS_FIRST_FRAGMENT;
		}
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
	if (more)
		more->network_header = at - start;
	return 0;
}

/* Type and code, and of echos the identifier (RFC 792, RFC 4443): the bytes of TCP's and UDP's ports are
 * these. */
static __always_inline void read_icmp(const __u8 *header, struct header_fields *more)
{
	more->icmp_type = header[0];
	more->icmp_code = header[1];
	more->icmp_id = bpf_ntohs(*(__be16 *)(header + 4));
	more->transport_header = 8;
}

/* Options of a SYN (RFC 9293, RFC 7323): those that are whole and within the header. */
static __always_inline void read_syn(const struct cursor *c, __u32 at, __u32 end, struct header_fields *more)
{
	__u8 option[4];

	if (at < end && cursor_read(c, end - 1, option, 1))
		more->bits |= HEADERS_NO_OPTIONS;
	for (int i = 0; i < TCP_OPTIONS / 2; i++) {
		if (at >= end || cursor_read(c, at, option, 1) || option[0] == TCP_OPTION_END)
			return;
		if (option[0] == TCP_OPTION_NOTHING) {
			at++;
			continue;
		}
		if (at + 2 > end || cursor_read(c, at, option, 2) || option[1] < 2 || at + option[1] > end)
			return;
		if (option[0] == TCP_OPTION_MSS && option[1] == 4 && !cursor_read(c, at, option, 4))
			more->syn_mss = option[2] << 8 | option[3];
		if (option[0] == TCP_OPTION_SCALE && option[1] == 3 && !cursor_read(c, at, option, 3))
			more->syn_scale = option[2] + 1;
		at += option[1];
	}
}

/* Whether a transport header that has ports is not whole; TCP's has been tried. */
static __always_inline int read_is_cut(const struct cursor *c, const struct transport *t)
{
	__u8 header[12];

	if (t->protocol == PROTOCOL_TCP)
		return 1;
	if (t->protocol == PROTOCOL_SCTP)
		return cursor_read(c, t->at, header, 12);
	return cursor_read(c, t->at, header, 8);
}

/* Ports; returns the TCP flags byte, or -1 where there is none. Of TCP all is read at once: a read costs more
 * than what it copies. */
static __always_inline int read_transport(const struct cursor *c, struct transport *t, struct flow_key *flow,
					  struct header_fields *more)
{
	__u8 header[20] __attribute__((aligned(8))) = {};
	int has_flags;

	if (!t->first)
		return -1;
	switch (t->protocol) {
	case PROTOCOL_TCP:
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
	case PROTOCOL_SCTP:
	case PROTOCOL_DCCP:
		break;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		if (!more)
			return -1;
		if (cursor_read(c, t->at, header, 8))
			more->bits |= HEADERS_TRUNCATED;
		else
			read_icmp(header, more);
		return -1;
	default:
		return -1;
	}
	if (more)
		has_flags = t->protocol == PROTOCOL_TCP && !cursor_read(c, t->at, header, 20);
	else
		has_flags = t->protocol == PROTOCOL_TCP && !cursor_read(c, t->at, header, 14);
	if (more && !has_flags && read_is_cut(c, t))
		more->bits |= HEADERS_TRUNCATED;
	if (!has_flags && cursor_read(c, t->at, header, 4))
		return -1;
	flow->src_port = bpf_ntohs(*(__be16 *)header);
	flow->dst_port = bpf_ntohs(*(__be16 *)(header + 2));
	flow->has_ports = 1;
	if (more && !(more->bits & HEADERS_TRUNCATED) && t->protocol != PROTOCOL_DCCP)
		more->transport_header = t->protocol == PROTOCOL_SCTP ? 12 : 8;
	if (!has_flags)
		return -1;
	t->sequence = bpf_ntohl(*(__be32 *)(header + 4));
	t->header = (header[12] >> 4) * 4;
	if (more) {
		more->transport_header = t->header;
		more->ack = bpf_ntohl(*(__be32 *)(header + 8));
		more->tcp_flags = (header[12] & 0x0f) << 8 | header[13];
		more->window = bpf_ntohs(*(__be16 *)(header + 14));
		if (header[13] & TCP_SYN)
			read_syn(c, t->at + 20, t->at + t->header, more);
	}
	return header[13];
}

/* Follows VLAN tags: *at is behind an Ethernet type field that held *ethertype. Returns the first VLAN id or
 * -1. */
static __always_inline int read_tags(const struct cursor *c, __u32 *at, __u16 *ethertype)
{
	__be16 tag[2];
	int vlan = -1;

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

#ifndef PARSE_FRAMES
__noinline int parse_ipv4(const struct cursor *c, __u32 at, struct flow_key *flow, struct transport *next)
{
	return !c || !flow || !next ? -1 : read_ipv4(c, at, flow, next, 0);
}

__noinline int parse_ipv6(const struct cursor *c, __u32 at, struct flow_key *flow, struct transport *next)
{
	return !c || !flow || !next ? -1 : read_ipv6(c, at, flow, next, 0);
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

/* As read_transport. */
__noinline int parse_transport(const struct cursor *c, struct transport *t, struct flow_key *flow)
{
	return !c || !flow || !t ? -1 : read_transport(c, t, flow, 0);
}

/* As read_tags. */
__noinline int parse_tags(const struct cursor *c, __u32 *at, __u16 *ethertype)
{
	return !c || !at || !ethertype ? -1 : read_tags(c, at, ethertype);
}
#endif

#endif
