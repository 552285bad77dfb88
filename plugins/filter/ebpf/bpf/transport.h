/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What follows the IP header, the same for both families: ports, fragments, the
 * way out. */
#pragma once

#include "invisible.h"

static __always_inline int drop_at(const struct facts *f, enum reason why)
{
	count_at(f->place, why);
	return DISCARD;
}

#define NOT_JUDGED REASONS /* parsing ended well */

/* RFC 792 and RFC 4443. linux/icmp.h needs headers of the C library. */
struct icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 rest;
};

static __always_inline __u32 ruled(struct index *x, const struct vip *vip, struct flow *flow)
{
	flow->share = share_of(x, vip, flow);
	return flow->share.set ? NOT_JUDGED : R_DROP_NO_RULE;
}

static __always_inline __u32 parse_tcp(struct frame *fr, struct index *x, const struct vip *vip, struct tcphdr *tcp, __u32 room, struct flow *flow)
{
	if ((void *)(tcp + 1) > fr->end || room < sizeof(*tcp) || tcp->doff < 5)
		return R_DROP_MALFORMED;
	flow->client_port = bpf_ntohs(tcp->source);
	flow->local_port = bpf_ntohs(tcp->dest);
	flow->kind = tcp->syn && !tcp->ack ? OPENS : OPEN;
	return ruled(x, vip, flow);
}

static __always_inline __u32 parse_udp(struct frame *fr, struct index *x, const struct vip *vip, struct udphdr *udp, __u32 room, struct flow *flow)
{
	if ((void *)(udp + 1) > fr->end || room < sizeof(*udp) || bpf_ntohs(udp->len) < sizeof(*udp))
		return R_DROP_MALFORMED;
	flow->client_port = bpf_ntohs(udp->source);
	flow->local_port = bpf_ntohs(udp->dest);
	flow->kind = DATAGRAM;
	return ruled(x, vip, flow);
}

static __always_inline __u32 parse_echo(const struct vip *vip, struct flow *flow)
{
	flow->kind = OPENS;
	flow->echo = 1;
	flow->share = vip->arp;
	return flow->share.set ? NOT_JUDGED : R_DROP_NO_RULE;
}

/* The ports of a packet that this address sent, inside an ICMP error: the error
 * follows the connection. An identification inside is this node's and says nothing. */
static __always_inline __u32 parse_inner(struct frame *fr, struct index *x, const struct vip *vip, __be16 *port, struct flow *flow)
{
	if (flow->proto != IPPROTO_TCP && flow->proto != IPPROTO_UDP)
		return R_DROP_NO_RULE;
	if ((void *)(port + 2) > fr->end)
		return R_DROP_MALFORMED;
	flow->local_port = bpf_ntohs(port[0]);
	flow->client_port = bpf_ntohs(port[1]);
	flow->kind = flow->proto == IPPROTO_UDP ? DATAGRAM : OPEN;
	flow->id = 0;
	return ruled(x, vip, flow);
}

/* How long a receiver waits for the rest of a datagram (Linux: 30 s). */
#define FRAGMENT_NS 30000000000ULL

static __always_inline struct fragment_key fragment_key_of(const struct flow *flow)
{
	return (struct fragment_key){ flow->client, flow->local, flow->id, flow->proto };
}

/* The later fragments of a datagram go where its first one went. One that came twice, in
 * a hand-over, went where it went the other time. */
static __always_inline void remember(struct facts *f, struct verdict v)
{
	struct fragment_key key = fragment_key_of(f->flow);
	struct fragment value = { bpf_ktime_get_boot_ns() + FRAGMENT_NS, v.accept ? f->module->self : v.forward, v.on_round };

	if (value.node)
		bpf_map_update_elem(&fragments, &key, &value, BPF_ANY);
	else if (v.reason != R_DROP_HANDOVER)
		bpf_map_delete_elem(&fragments, &key);
}

/* Rule 9. What a peer forwarded goes on only along a round, by rising number, so
 * that no memories whatever can make a fragment run in a circle. */
static __always_inline struct verdict decide_later(struct facts *f, const struct vip *vip)
{
	struct fragment_key key = fragment_key_of(f->flow);
	struct fragment *known = bpf_map_lookup_elem(&fragments, &key);
	__u8 self = f->module->self, node = self, on_round = 0;
	__u32 from = peer_of(f);

	if (known && known->until > bpf_ktime_get_boot_ns()) {
		node = known->node;
		on_round = known->on_round;
		if (from && (!on_round || node < self))
			node = self;
	} else if (!from) {
		node = vip->arp.set ? row_of(f->module, f->live, vip->arp, &f->flow->client, 0) : 0;
		if (!node)
			return DROP(R_DROP_NOBODY);
		if (node != self && f->to == TO_ALL)
			return DROP(R_DROP_OTHER);
	}
	if ((node == self || on_round) && !serving(f->module))
		return DROP(R_DROP_LEASE);
	if (node == self)
		return ACCEPT(R_ACCEPT_FRAGMENT);
	return (struct verdict){ node, 0, on_round, R_FORWARD_FRAGMENT };
}
