/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule 6 for IPv6: neighbour discovery, RFC 4861. As arp.h, who answers for a
 * virtual address, and the mending of what this node's kernel sends in its name. */
#pragma once

#include "neighbour.h"

#define NEXT_ICMP 58 /* the next header of IPv6 */
#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136
#define ND_SOURCE_MAC 1 /* options, section 4.6.1 */
#define ND_TARGET_MAC 2
#define ND_SOLICITED 0x40000000
#define ND_OVERRIDE 0x20000000
#define ND_MAX 96 /* bytes of a message; 32 are usual */

/* A solicitation or an advertisement, sections 4.3 and 4.4. */
struct nd {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 flags;
	struct addr target;
};

struct nd_option {
	__u8 type;
	__u8 len; /* in units of eight bytes */
	__u8 mac[6];
};

/* What is sent back. */
struct nd_answer {
	struct nd nd;
	struct nd_option option;
};

static __always_inline int same_addr(const struct addr *a, const struct addr *b)
{
	return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return sum;
}

/* Checks a message as section 7.1 demands and finds the Ethernet address that it
 * tells, in an option of some type; without one it is the frame's. 0: discard. */
static __always_inline __u64 nd_read(struct frame *fr, struct ip6 *ip, __u8 option)
{
	__u32 len = bpf_ntohs(ip->len), at, next = sizeof(struct nd);
	__u64 mac = mac_number(fr->eth->h_source);
	struct nd *nd = (void *)(ip + 1);
	struct nd_option *o;
	__s64 sum;

	if (ip->hops != 255 || nd->code || len < sizeof(*nd) || len > ND_MAX || len & 7)
		return 0;
	sum = bpf_csum_diff(0, 0, (void *)&ip->from, 2 * sizeof(struct addr), bpf_htonl(len) + bpf_htonl(NEXT_ICMP));
	for (at = 0; at < ND_MAX; at += 8) {
		if (at >= len)
			break;
		o = (void *)nd + at;
		if ((void *)(o + 1) > fr->end)
			return 0;
		sum = bpf_csum_diff(0, 0, (void *)o, sizeof(*o), sum);
		if (at != next)
			continue;
		if (!o->len)
			return 0;
		if (o->type == option && o->len == 1)
			mac = mac_number(o->mac);
		next += o->len * 8;
	}
	return fold(sum) == 0xffff && next == len ? mac : 0;
}

/* A solicitation for a virtual address never reaches this node's kernel. */
static __always_inline int nd_solicited(struct frame *fr, struct ip6 *ip, struct vip *vip)
{
	struct module *m = module_of(vip);
	__u64 mac, owner;

	if (!m)
		return DISCARD;
	mac = nd_read(fr, ip, ND_SOURCE_MAC);
	if (!mac)
		return drop(vip, R_DROP_MALFORMED);
	if (same_addr(&ip->from, &vip->addr))
		return claimed(fr, vip, m, mac, R_DROP_NDP_ANNOUNCE);
	owner = who_answers(fr, vip, m, &ip->from, R_NDP_ANSWER, R_NDP_REFRESH, R_DROP_NDP_OTHER);
	if (!owner)
		return DISCARD;
	fr->vip = vip;
	fr->tell = owner;
	fr->to = mac;
	return ANSWER;
}

/* Length of the frame that nd_answer makes. */
static __always_inline int nd_len(const struct frame *fr)
{
	return sizeof(struct ethhdr) + (fr->tagged ? 4 : 0) + sizeof(struct ip6) + sizeof(struct nd_answer);
}

/* Makes an advertisement of a solicitation, in a frame that has got the length for
 * it (section 7.2.4). A probe for a duplicate, which has no source, is answered to
 * the group of all nodes, but in a frame to the asker alone (RFC 6085): the other
 * neighbours did not ask, and would all move to the node that answers. */
static __always_inline int nd_answer(struct frame *fr)
{
	struct ip6 *ip = fr->l3;
	struct nd_answer *a = (void *)(ip + 1);
	struct addr asked;
	__be32 flags = bpf_htonl(ND_SOLICITED | ND_OVERRIDE);
	__s64 sum;

	if ((void *)(a + 1) > fr->end)
		return DISCARD;
	asked = a->nd.target;
	ip->to = ip->from;
	if (!ip->to.half[0] && !ip->to.half[1]) {
		flags = bpf_htonl(ND_OVERRIDE);
		ip->to.half[0] = bpf_cpu_to_be64(0xff02000000000000ULL); /* ff02::1 */
		ip->to.half[1] = bpf_cpu_to_be64(1);
	}
	ip->from = asked;
	ip->version = 0x60;
	ip->label[0] = ip->label[1] = ip->label[2] = 0;
	ip->len = bpf_htons(sizeof(*a));
	ip->hops = 255;
	a->nd.type = ND_ADVERTISEMENT;
	a->nd.code = 0;
	a->nd.checksum = 0;
	a->nd.flags = flags;
	a->option.type = ND_TARGET_MAC;
	a->option.len = 1;
	put_mac(a->option.mac, fr->tell);
	sum = bpf_csum_diff(0, 0, (void *)&ip->from, 2 * sizeof(struct addr), bpf_htonl(sizeof(*a)) + bpf_htonl(NEXT_ICMP));
	sum = bpf_csum_diff(0, 0, (void *)a, sizeof(*a), sum);
	a->nd.checksum = ~fold(sum);
	return send_to(fr, fr->vip, fr->to);
}

/* Neighbour discovery that comes in. What is not about a virtual address passes. */
static __always_inline int ndp_in(struct frame *fr)
{
	struct ip6 *ip = fr->l3;
	struct nd *nd = (void *)(ip + 1);
	struct index *x = index_now();
	struct module *m;
	struct vip *vip;
	struct addr a;
	__u64 mac;
	__u8 type;

	if ((void *)(nd + 1) > fr->end || !x)
		return PASS;
	type = nd->type;
	if (type != ND_SOLICITATION && type != ND_ADVERTISEMENT)
		return PASS;
	a = nd->target;
	vip = vip_of(x, &a);
	if (vip && vip->ifindex != fr->ifindex)
		return drop(vip, R_DROP_ARP_INTERFACE);
	if (vip && type == ND_SOLICITATION)
		return nd_solicited(fr, ip, vip);
	if (!vip) {
		/* Somebody asks for another's address, in the name of a virtual one. */
		a = ip->from;
		vip = vip_of(x, &a);
		if (!vip || vip->ifindex != fr->ifindex || type != ND_SOLICITATION)
			return PASS;
	}
	m = module_of(vip);
	if (!m)
		return DISCARD;
	mac = nd_read(fr, ip, type == ND_SOLICITATION ? ND_SOURCE_MAC : ND_TARGET_MAC);
	if (!mac)
		return drop(vip, R_DROP_MALFORMED);
	return claimed(fr, vip, m, mac, R_DROP_NDP_ANNOUNCE);
}

/* Gives what the kernel sends another source, and the checksum that fits (RFC
 * 1624). */
static __always_inline void nd_source(struct ip6 *ip, struct nd *nd, const struct addr *to)
{
	__s64 sum = bpf_csum_diff((void *)&ip->from, sizeof(*to), (void *)to, sizeof(*to), (__u16)~nd->checksum);

	nd->checksum = ~fold(sum);
	ip->from = *to;
}

/* A solicitation that the kernel sends with a virtual address as source would
 * point its receiver's cache here, and the answer somewhere else: it gets the
 * interface's own link-local address. An advertisement that the kernel makes
 * by itself is none of a node of the farm: this program answers. One to all is an
 * announcement, which is meant. Nothing tells the real address of the interface for
 * one that has a virtual one. 0: the frame must not leave. */
static __always_inline int ndp_out(struct frame *fr)
{
	struct ip6 *ip = fr->l3;
	struct nd *nd = (void *)(ip + 1);
	struct nd_option *o = (void *)(nd + 1);
	struct index *x = index_now();
	struct addr a;
	struct vip *vip;

	if ((void *)(nd + 1) > fr->end || ip->next != NEXT_ICMP || !x)
		return 1;
	if (nd->type == ND_SOLICITATION) {
		a = ip->from;
		vip = vip_of(x, &a);
		if (!vip || vip->ifindex != fr->ifindex || !mac_is(fr->eth->h_source, vip->mac))
			return 1;
		if (!vip->real6)
			return !mac_number(vip->vmac);
		a.half[0] = bpf_cpu_to_be64(0xfe80000000000000ULL);
		a.half[1] = vip->real6;
		nd_source(ip, nd, &a);
		count(vip->module, R_NDP_MENDED);
		return 1;
	}
	if (nd->type != ND_ADVERTISEMENT)
		return 1;
	a = nd->target;
	vip = vip_of(x, &a);
	if (!vip)
		return 1;
	if (vip->ifindex != fr->ifindex || nd->flags & bpf_htonl(ND_SOLICITED)) {
		count(vip->module, R_DROP_NDP_OWN);
		return 0;
	}
	if (mac_number(vip->vmac) && (void *)(o + 1) <= fr->end && o->type == ND_TARGET_MAC && mac_is(o->mac, vip->mac)) {
		struct nd_option was = *o, is = *o;
		__s64 sum;

		__builtin_memcpy(is.mac, vip->vmac, ETH_ALEN);
		sum = bpf_csum_diff((void *)&was, sizeof(was), (void *)&is, sizeof(is), (__u16)~nd->checksum);
		*o = is;
		nd->checksum = ~fold(sum);
		count(vip->module, R_NDP_MENDED);
	}
	return 1;
}
