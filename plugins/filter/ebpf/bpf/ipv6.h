/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv6 frames to a virtual address. */
#pragma once

#include "ndp.h"
#include "transport.h"

#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_DESTINATION 60
#define MAX_EXTENSIONS 6

#define IP6_MORE 1
#define IP6_OFFSET 0xfff8

#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER 4
#define ICMP6_ECHO 128
#define ND_FIRST 133 /* router solicitation */
#define ND_LAST 137  /* redirect */

/* An extension header of RFC 8200; of a fragment header the second half is its
 * identification. */
struct extension {
	__u8 next;
	__u8 len; /* in units of eight bytes, without the first */
	__be16 fragment;
	__be32 id;
};

/* What is behind the extension headers. */
struct behind {
	__u32 at; /* bytes from the IPv6 header */
	__u32 id;
	__u16 offset; /* of a fragment */
	__u8 proto;
	__u8 fragment;
};

static __always_inline int is_extension(__u8 proto)
{
	return proto == NEXT_HOP_BY_HOP || proto == NEXT_ROUTING || proto == NEXT_DESTINATION || proto == NEXT_FRAGMENT;
}

/* Walks the extension headers behind the IPv6 header at from; 0 if they do not fit
 * into the frame, or are more than anybody sends. An unknown one ends the walk, and
 * no rule is for it. These are functions of their own, not static, which the
 * kernel verifies once, and not again for every way that leads to them. */
#define WALK(name, context, load)                                              \
	__noinline int name(struct context *ctx, __u32 from, struct behind *b) \
	{                                                                      \
		struct extension e;                                            \
                                                                               \
		if (!ctx || !b)                                                \
			return 0;                                              \
		for (int i = 0; i < MAX_EXTENSIONS; i++) {                     \
			if (!is_extension(b->proto) || b->offset)              \
				return 1;                                      \
			if (load(ctx, from + b->at, &e, sizeof(e)))            \
				return 0;                                      \
			step(b, &e);                                           \
		}                                                              \
		return !is_extension(b->proto) || b->offset;                   \
	}

static __always_inline void step(struct behind *b, struct extension *e)
{
	if (b->proto == NEXT_FRAGMENT) {
		b->id = bpf_ntohl(e->id);
		b->offset = bpf_ntohs(e->fragment) & IP6_OFFSET;
		/* An atomic fragment (RFC 6946) is a whole datagram. */
		b->fragment = (e->fragment & bpf_htons(IP6_OFFSET | IP6_MORE)) != 0;
		b->at += sizeof(*e);
	} else {
		b->at += (e->len + 1) * sizeof(*e);
	}
	b->proto = e->next;
}

WALK(walk_xdp, xdp_md, bpf_xdp_load_bytes)
WALK(walk_skb, __sk_buff, bpf_skb_load_bytes)

static __always_inline int walk(struct frame *fr, struct ip6 *ip, struct behind *b)
{
	__u32 from = (void *)ip - (void *)fr->eth;

	b->at = sizeof(*ip);
	b->proto = ip->next;
	if (!is_extension(b->proto))
		return 1;
	return fr->skb ? walk_skb(fr->ctx, from, b) : walk_xdp(fr->ctx, from, b);
}

/* Errors about a packet that this address sent, as in ipv4.h; here as much of it
 * is inside as fits (RFC 4443). */
static __always_inline __u32 parse_icmp6(struct frame *fr, struct index *x, const struct vip *vip, struct icmp *icmp, __u32 room, struct flow *flow)
{
	struct ip6 *inner = (void *)(icmp + 1);
	struct behind b = {};

	if ((void *)(icmp + 1) > fr->end || room < sizeof(*icmp))
		return R_DROP_MALFORMED;
	if (icmp->type == ICMP6_ECHO)
		return parse_echo(vip, flow);
	if (icmp->type < ICMP6_UNREACHABLE || icmp->type > ICMP6_PARAMETER)
		return R_DROP_NO_RULE;
	if ((void *)(inner + 1) > fr->end || inner->version >> 4 != 6)
		return R_DROP_MALFORMED;
	if (inner->from.half[0] != flow->local.half[0] || inner->from.half[1] != flow->local.half[1])
		return R_DROP_NO_RULE;
	if (!walk(fr, inner, &b))
		return R_DROP_MALFORMED;
	if (b.offset)
		return R_DROP_NO_RULE;
	if (room < sizeof(*icmp) + b.at + 4)
		return R_DROP_MALFORMED;
	flow->client = inner->to;
	flow->proto = b.proto;
	return parse_inner(fr, x, vip, (void *)inner + (b.at & 0x3fff), flow);
}

static __always_inline __u32 parse6(struct frame *fr, struct index *x, const struct vip *vip, struct facts *f, struct flow *flow, int *later)
{
	struct ip6 *ip = fr->l3;
	struct behind b = {};
	void *payload;
	__u32 room;

	if (ip->version >> 4 != 6 || !walk(fr, ip, &b))
		return R_DROP_MALFORMED;
	room = sizeof(*ip) + bpf_ntohs(ip->len);
	if (room < b.at)
		return R_DROP_MALFORMED;
	room -= b.at;
	flow->client = ip->from;
	flow->local = ip->to;
	flow->proto = b.proto;
	flow->on_round = ip->hops & 1;
	flow->id = b.id;
	flow->first = b.fragment && !b.offset;
	*later = b.offset != 0;
	if (b.offset)
		return NOT_JUDGED;
	payload = (void *)ip + (b.at & 0x3fff);
	switch (b.proto) {
	case IPPROTO_TCP:
		f->ip = ip;
		f->tcp = payload;
		return parse_tcp(fr, x, vip, payload, room, flow);
	case IPPROTO_UDP:
		return parse_udp(fr, x, vip, payload, room, flow);
	case NEXT_ICMP:
		return parse_icmp6(fr, x, vip, payload, room, flow);
	}
	return R_DROP_NO_RULE;
}

/* As age4; the hop limit is in no checksum. */
static __always_inline int age6(struct ip6 *ip, __u8 odd)
{
	__u8 by = (ip->hops & 1) == odd ? 2 : 1;

	if (ip->hops <= by)
		return 0;
	ip->hops -= by;
	return 1;
}

static __always_inline int forward6(struct frame *fr, const struct vip *vip, const struct facts *f, struct verdict v)
{
	__u64 mac = f->link->mac[v.forward & (2 * NODES - 1)];

	if (!mac)
		return drop_at(f, R_DROP_NO_MAC);
	if (!age6(fr->l3, v.on_round))
		return drop_at(f, R_DROP_TTL);
	count_at(f->place, v.reason);
	return send_to(fr, vip, mac);
}

/* Neighbour discovery, which no client's bucket decides. */
static __always_inline int is_neighbour(struct frame *fr, struct ip6 *ip)
{
	struct icmp *icmp = (void *)(ip + 1);

	return ip->next == NEXT_ICMP && (void *)(icmp + 1) <= fr->end && icmp->type >= ND_FIRST && icmp->type <= ND_LAST;
}

static __always_inline int ipv6_in(struct frame *fr)
{
	struct ip6 *ip = fr->l3;
	struct facts f = { .ctx = fr->ctx };
	struct state *s = state_now();
	struct index *x = index_of(s);
	struct flow flow = {};
	struct verdict v;
	struct addr a;
	struct vip *vip;
	int later = 0;
	__u32 why;

	if ((void *)(ip + 1) > fr->end || !x)
		return PASS;
	if (is_neighbour(fr, ip))
		return ndp_in(fr);
	a = ip->to;
	vip = vip_of(x, &a);
	if (!vip || vip->ifindex != fr->ifindex)
		return PASS;
	if (fr->eth->h_dest[0] & 1)
		return drop(vip, R_DROP_BROADCAST);
	f.to = to_whom(fr, vip);
	if (f.to == TO_OTHERS)
		return PASS;
	if (!facts_of(&f, fr, s, vip))
		return DISCARD;
	why = parse6(fr, x, vip, &f, &flow, &later);
	if (why != NOT_JUDGED)
		return drop(vip, why);
	f.flow = &flow;
	v = later ? decide_later(&f, vip) : verdict_of(&f, 1);
	if (flow.first)
		remember(&f, v);
	if (v.forward)
		return forward6(fr, vip, &f, v);
	count_at(f.place, v.reason);
	return v.accept ? accept_here(fr, vip, &f) : DISCARD;
}
