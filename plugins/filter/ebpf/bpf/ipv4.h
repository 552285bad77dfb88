/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv4 frames to a virtual address. */
#pragma once

#include "transport.h"

#define IP4_MORE 0x2000
#define IP4_OFFSET 0x1fff

#define ICMP4_UNREACHABLE 3
#define ICMP4_ECHO 8
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER 12

/* Errors about a packet that this address sent follow the connection of that
 * packet (RFC 792: the header and eight bytes of it are inside). */
static __always_inline __u32 parse_icmp4(struct frame *fr, struct index *x, const struct vip *vip, struct icmp *icmp, __u32 room, struct flow *flow)
{
	struct iphdr *inner = (void *)(icmp + 1);

	if ((void *)(icmp + 1) > fr->end || room < sizeof(*icmp))
		return R_DROP_MALFORMED;
	if (icmp->type == ICMP4_ECHO)
		return parse_echo(vip, flow);
	if (icmp->type != ICMP4_UNREACHABLE && icmp->type != ICMP4_TIME_EXCEEDED && icmp->type != ICMP4_PARAMETER)
		return R_DROP_NO_RULE;
	if ((void *)(inner + 1) > fr->end || inner->version != 4 || inner->ihl < 5)
		return R_DROP_MALFORMED;
	if (inner->saddr != (__u32)(flow->local.half[1] >> 32) || inner->frag_off & bpf_htons(IP4_OFFSET))
		return R_DROP_NO_RULE;
	if (room < sizeof(*icmp) + inner->ihl * 4 + 4)
		return R_DROP_MALFORMED;
	flow->client = mapped(inner->daddr);
	flow->proto = inner->protocol;
	return parse_inner(fr, x, vip, (void *)inner + inner->ihl * 4, flow);
}

/* NOT_JUDGED and a flow, or the reason to drop. later: a fragment but the first. */
static __always_inline __u32 parse4(struct frame *fr, struct index *x, const struct vip *vip, struct facts *f, struct flow *flow, int *later)
{
	struct iphdr *ip = fr->l3;
	__u32 header = ip->ihl * 4, len = bpf_ntohs(ip->tot_len);
	void *payload = (void *)ip + header;

	if (ip->version != 4 || header < sizeof(*ip) || len < header)
		return R_DROP_MALFORMED;
	flow->client = mapped(ip->saddr);
	flow->local = mapped(ip->daddr);
	flow->proto = ip->protocol;
	flow->on_round = ip->ttl & 1;
	flow->id = bpf_ntohs(ip->id);
	if (ip->frag_off & bpf_htons(IP4_MORE | IP4_OFFSET)) {
		*later = (ip->frag_off & bpf_htons(IP4_OFFSET)) != 0;
		flow->first = !*later;
		if (*later)
			return NOT_JUDGED;
	}
	switch (ip->protocol) {
	case IPPROTO_TCP:
		f->ip = ip;
		f->tcp = payload;
		return parse_tcp(fr, x, vip, payload, len - header, flow);
	case IPPROTO_UDP:
		return parse_udp(fr, x, vip, payload, len - header, flow);
	case IPPROTO_ICMP:
		return parse_icmp4(fr, x, vip, payload, len - header, flow);
	}
	return R_DROP_NO_RULE;
}

/* Lowers the TTL by one or two and mends the header checksum (RFC 1624). An odd
 * TTL says that the frame is on the round. 0: it must not go any further. */
static __always_inline int age4(struct iphdr *ip, __u8 odd)
{
	__u32 by = (ip->ttl & 1) == odd ? 2 : 1;
	__u32 sum = ip->check;

	if (ip->ttl <= by)
		return 0;
	ip->ttl -= by;
	sum += bpf_htons(by << 8);
	ip->check = (__u16)(sum + (sum >> 16));
	return 1;
}

static __always_inline int forward4(struct frame *fr, const struct vip *vip, const struct facts *f, struct verdict v)
{
	__u64 mac = f->link->mac[v.forward & (2 * NODES - 1)];

	if (!mac)
		return drop_at(f, R_DROP_NO_MAC);
	if (!age4(fr->l3, v.on_round))
		return drop_at(f, R_DROP_TTL);
	count_at(f->place, v.reason);
	return send_to(fr, vip, mac);
}

static __always_inline int ipv4_in(struct frame *fr)
{
	struct iphdr *ip = fr->l3;
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
	a = mapped(ip->daddr);
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
	why = parse4(fr, x, vip, &f, &flow, &later);
	if (why != NOT_JUDGED)
		return drop(vip, why);
	f.flow = &flow;
	v = later ? decide_later(&f, vip) : verdict_of(&f, 0);
	if (flow.first)
		remember(&f, v);
	if (v.forward)
		return forward4(fr, vip, &f, v);
	count_at(f.place, v.reason);
	return v.accept ? accept_here(fr, vip, &f) : DISCARD;
}
