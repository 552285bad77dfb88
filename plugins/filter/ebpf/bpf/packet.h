/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the bytes of a frame to a flow, and the two ways a frame is changed. */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "hash.h"

/* RFC 8200. The eight-byte halves need no alignment here. */
struct ip6 {
	__u8 version; /* in the upper half */
	__u8 label[3];
	__be16 len;
	__u8 next;
	__u8 hops;
	struct addr from;
	struct addr to;
};

enum outcome {
	PASS,   /* not ours to judge */
	ACCEPT_HERE,
	DISCARD,
	SEND,   /* out of the interface that it came in by */
	ANSWER, /* the same, as the advertisement that nd_answer makes of it */
};

/* What a packet is to the connection that it belongs to. */
enum kind {
	OPENS,    /* begins one, or needs none */
	OPEN,     /* of a connection that some node must have */
	DATAGRAM, /* may be either */
};

/* A packet to a virtual address, by what decides its fate. */
struct flow {
	struct addr client;
	struct addr local;
	__u16 client_port; /* host order */
	__u16 local_port;
	__u32 id; /* identification, of IPv4 or of a fragment */
	__u8 proto;
	__u8 kind;
	__u8 echo;
	__u8 on_round; /* if a peer forwarded it: all nodes of the row are to be asked, or it
			* was handed over (invisible.h) */
	__u8 first;    /* the first fragment of a datagram */
	struct share share;
};

struct frame {
	void *ctx;
	struct ethhdr *eth;
	void *l3;
	void *end;
	__u32 ifindex;
	int skb; /* what ctx is: 0 an xdp_md, 1 an __sk_buff */
	int tagged; /* 802.1Q, priority only */
	const struct vip *vip; /* for nd_answer: who is asked for, */
	__u64 tell;            /* at which Ethernet address it is, */
	__u64 to;              /* and who wants to know */
};

static __always_inline struct addr mapped(__be32 a)
{
	return (struct addr){ { 0, (__u64)a << 32 | 0xffff0000 } };
}

/* An Ethernet address as a number, its first byte the lowest. */
static __always_inline __u64 mac_number(const __u8 *mac)
{
	const __u16 *half = (const __u16 *)mac;

	return half[0] | (__u64)half[1] << 16 | (__u64)half[2] << 32;
}

/* The same in one load, where two more bytes follow. */
static __always_inline __u64 mac_wide(const __u8 *mac)
{
	return *(const __u64 *)mac & 0xffffffffffffULL;
}

static __always_inline int mac_is(const __u8 *a, const __u8 *b)
{
	return mac_number(a) == mac_number(b);
}

static __always_inline struct state *state_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&states, &zero);
}

static __always_inline struct index *index_of(struct state *s)
{
	__u32 half;

	if (!s)
		return 0;
	half = *(volatile __u32 *)&s->index & 1;
	return bpf_map_lookup_elem(&indexes, &half);
}

static __always_inline struct index *index_now(void)
{
	return index_of(state_now());
}

/* The virtual address, on whatever interface it is. The place is read back from
 * the entry so that the verifier does not tell the places apart, and follow each
 * of them through all of the program. */
static __always_inline struct vip *vip_of(struct index *x, const struct addr *a)
{
	__u64 h = a->half[0] ^ a->half[1];
	struct vip *v;

	h ^= h >> 29;
	v = &x->vip[h * x->vip_seed >> (64 - VIP_BITS)];
#pragma unroll
	for (int i = 0; i < PROBES; i++, v++) {
		if (v->addr.half[1] == a->half[1] && v->addr.half[0] == a->half[0])
			return &x->vip[*(volatile __u16 *)&v->at & ((1 << VIP_BITS) - 1)];
		if (!v->addr.half[1] && !v->addr.half[0])
			return 0;
	}
	return 0;
}

static __always_inline struct module *module_of(const struct vip *vip)
{
	struct state *s = state_now();

	return s ? &s->module[vip->module & (MODULES - 1)] : 0;
}

/* The rule for a flow; its field set is 0 if there is none. */
static __always_inline struct share share_of(struct index *x, const struct vip *vip, const struct flow *flow)
{
	struct share none = {};

	if (vip->ports) {
		__u32 key = (__u32)vip->ports << 17 | (flow->proto == IPPROTO_UDP) << 16 | flow->local_port;
		struct rule *r = &x->rule[key * x->rule_seed >> (64 - RULE_BITS)];

#pragma unroll
		for (int i = 0; i < PROBES && r->key; i++, r++)
			if (r->key == key)
				return r->share;
	}
	if (flow->proto == IPPROTO_TCP)
		return vip->tcp;
	if (flow->proto == IPPROTO_UDP)
		return vip->udp;
	return none;
}

/* To be read once a packet, so that all of the verdict is of one moment. */
static __always_inline __u8 live_of(const struct module *m)
{
	return *(volatile __u8 *)&m->live;
}

static __always_inline struct link *link_of(const struct vip *vip, __u8 live)
{
	__u32 at = vip->link * 2 + (live & LIVE_HALF);

	return bpf_map_lookup_elem(&links, &at);
}

/* The node that has an Ethernet address, 0 if none has. */
static __always_inline __u32 node_of(const struct link *l, __u64 mac)
{
	__u32 node = l->hint[mac * l->seed >> (64 - HINT_BITS)] & (2 * NODES - 1);

	return l->mac[node] == mac ? node : 0;
}

/* The row that a client falls into, with this node's part in a hand-over; 0, which
 * is nobody, if there is no table. */
static __always_inline __u32 row_with_hand(const struct module *m, __u8 live, struct share share, const struct addr *client, __u16 port)
{
	__u32 at = share.group * 2 + (live & LIVE_HALF);
	struct table *t = bpf_map_lookup_elem(&tables, &at);

	if (!t)
		return 0;
	return *(volatile __u32 *)&t->row[bucket_of(m, client, port) & (BUCKETS - 1)];
}

static __always_inline __u32 row_of(const struct module *m, __u8 live, struct share share, const struct addr *client, __u16 port)
{
	return row_with_hand(m, live, share, client, port) & ROW_NODES;
}

static __always_inline void put_mac(__u8 *to, __u64 mac)
{
	__u16 *half = (__u16 *)to;

	half[0] = mac;
	half[1] = mac >> 16;
	half[2] = mac >> 32;
}

static __always_inline int send_to(struct frame *fr, const struct vip *vip, __u64 mac)
{
	put_mac(fr->eth->h_dest, mac);
	__builtin_memcpy(fr->eth->h_source, vip->mac, ETH_ALEN);
	return SEND;
}

/* What of a flow counts besides the client's address. */
static __always_inline __u16 extra_of(const struct flow *flow)
{
	if (flow->share.by == BY_PORT)
		return flow->client_port;
	return flow->share.by == BY_IPID ? flow->id : 0;
}

static __always_inline int drop(const struct vip *vip, enum reason why)
{
	count(vip->module, why);
	return DISCARD;
}
