/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv4 frames to a virtual address. */
#pragma once

#include "verdict.h"

#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */
#define NOT_JUDGED REASONS /* parsing ended well */

/* Errors about a packet that this address sent follow the connection of that
 * packet (RFC 792: the header and eight bytes of it are inside). */
static __always_inline __u32 parse_icmp(struct frame *fr, struct index *x, struct vip *vip, struct icmp4 *icmp, __u32 room, struct flow *flow)
{
	struct iphdr *inner = (void *)(icmp + 1);
	__be16 *port;

	if ((void *)(icmp + 1) > fr->end || room < sizeof(*icmp))
		return R_DROP_MALFORMED;
	if (icmp->type == ICMP_ECHO) {
		flow->fresh = 1;
		flow->echo = 1;
		flow->share = vip->arp;
		return flow->share.set ? NOT_JUDGED : R_DROP_NO_RULE;
	}
	if (icmp->type != ICMP_UNREACHABLE && icmp->type != ICMP_TIME_EXCEEDED && icmp->type != ICMP_PARAMETER)
		return R_DROP_NO_RULE;
	if ((void *)(inner + 1) > fr->end || inner->ihl < 5)
		return R_DROP_MALFORMED;
	if (inner->saddr != (__u32)(flow->local.half[1] >> 32) || inner->protocol != IPPROTO_TCP)
		return R_DROP_NO_RULE;
	port = (void *)inner + inner->ihl * 4;
	if ((void *)(port + 2) > fr->end || room < sizeof(*icmp) + inner->ihl * 4 + 2 * sizeof(*port))
		return R_DROP_MALFORMED;
	flow->client = mapped(inner->daddr);
	flow->proto = IPPROTO_TCP;
	flow->local_port = bpf_ntohs(port[0]);
	flow->client_port = bpf_ntohs(port[1]);
	flow->share = share_of(x, vip, flow);
	return flow->share.set ? NOT_JUDGED : R_DROP_NO_RULE;
}

static __always_inline __u32 parse_tcp(struct frame *fr, struct index *x, struct vip *vip, struct tcphdr *tcp, __u32 room, struct flow *flow)
{
	if ((void *)(tcp + 1) > fr->end || room < sizeof(*tcp) || tcp->doff < 5)
		return R_DROP_MALFORMED;
	flow->client_port = bpf_ntohs(tcp->source);
	flow->local_port = bpf_ntohs(tcp->dest);
	flow->fresh = tcp->syn && !tcp->ack;
	flow->share = share_of(x, vip, flow);
	return flow->share.set ? NOT_JUDGED : R_DROP_NO_RULE;
}

/* NOT_JUDGED and a flow, or the reason to drop. */
static __always_inline __u32 parse_ip4(struct frame *fr, struct index *x, struct vip *vip, struct facts *f, struct flow *flow)
{
	struct iphdr *ip = (void *)(fr->eth + 1);
	__u32 header, len;
	void *payload;

	if ((void *)(ip + 1) > fr->end)
		return R_DROP_MALFORMED;
	header = ip->ihl * 4;
	len = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || len < header)
		return R_DROP_MALFORMED;
	if (ip->frag_off & bpf_htons(IP_FRAGMENT))
		return R_DROP_FRAGMENT;
	payload = (void *)ip + header;
	flow->client = mapped(ip->saddr);
	flow->local = mapped(ip->daddr);
	flow->proto = ip->protocol;
	flow->on_round = ip->ttl & 1;
	if (ip->protocol == IPPROTO_ICMP)
		return parse_icmp(fr, x, vip, payload, len - header, flow);
	if (ip->protocol != IPPROTO_TCP)
		return R_DROP_NO_RULE;
	f->ip = ip;
	f->tcp = payload;
	return parse_tcp(fr, x, vip, payload, len - header, flow);
}

static __always_inline int forward4(struct frame *fr, struct vip *vip, const struct link *l, struct verdict v)
{
	__u64 mac = l->mac[v.forward & (2 * NODES - 1)];

	if (!mac)
		return drop(vip, R_DROP_NO_MAC);
	if (!age((void *)(fr->eth + 1), v.on_round))
		return drop(vip, R_DROP_TTL);
	count(vip->module, v.reason);
	return send_to(fr, vip, mac);
}

static __always_inline int ipv4_in(struct frame *fr)
{
	struct iphdr *ip = (void *)(fr->eth + 1);
	struct facts f = { .ctx = fr->ctx };
	struct index *x = index_now();
	struct flow flow = {};
	struct verdict v;
	struct addr a;
	struct vip *vip;
	__u32 why;

	if ((void *)(ip + 1) > fr->end || !x)
		return PASS;
	a = mapped(ip->daddr);
	vip = vip_of(x, &a);
	if (!vip || vip->ifindex != fr->ifindex)
		return PASS;
	if (fr->eth->h_dest[0] & 1)
		return drop(vip, R_DROP_BROADCAST);
	if (!mac_is(fr->eth->h_dest, vip->mac))
		return PASS; /* flooded by a switch: somebody else's */
	f.module = module_of(vip);
	if (!f.module)
		return DISCARD;
	f.live = live_of(f.module);
	f.link = link_of(vip, f.live);
	if (!f.link)
		return DISCARD;
	why = parse_ip4(fr, x, vip, &f, &flow);
	if (why != NOT_JUDGED)
		return drop(vip, why);
	f.flow = &flow;
	f.sender = mac_number(fr->eth->h_source);
	v = decide(&f);
	if (v.forward)
		return forward4(fr, vip, f.link, v);
	count(vip->module, v.reason);
	return v.accept ? ACCEPT_HERE : DISCARD;
}
