/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the bytes of a frame to a flow, and the two ways a frame is changed. */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include "layout.h"

/* RFC 792. linux/icmp.h has this too, but needs headers of the C library. */
struct icmp4 {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 rest;
};

#define ICMP_UNREACHABLE 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12

enum outcome {
	PASS,   /* not ours to judge */
	ACCEPT_HERE,
	DISCARD,
	SEND,   /* out of the interface that it came in by */
};

/* A packet to a virtual address, by what decides its fate. */
struct flow {
	struct addr client;
	struct addr local;
	__u16 client_port; /* host order */
	__u16 local_port;
	__u8 proto;
	__u8 fresh; /* opens a connection, or needs none */
	__u8 echo;
	__u8 on_round; /* if a peer forwarded it: all nodes of the row are to be asked */
	struct share share;
};

struct frame {
	void *ctx;
	struct ethhdr *eth;
	void *end;
	__u32 ifindex;
};

static __always_inline struct addr mapped(__be32 a)
{
	return (struct addr){ { 0, 0, bpf_htonl(0xffff), a } };
}

static __always_inline int mac_is(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a, *y = (const __u16 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

static __always_inline struct vip *vip_of(const struct addr *a, __u32 ifindex)
{
	struct addr_key key = { *a, ifindex };

	return bpf_map_lookup_elem(&vips, &key);
}

/* The rule for a flow; its field set is 0 if there is none. */
static __always_inline struct share share_of(const struct vip *vip, const struct flow *flow)
{
	struct share none = {};

	if (vip->has_ports) {
		struct rule_key key = { flow->local, flow->local_port, flow->proto, 0 };
		struct share *s = bpf_map_lookup_elem(&rules, &key);

		if (s)
			return *s;
	}
	if (flow->proto == IPPROTO_TCP)
		return vip->tcp;
	if (flow->proto == IPPROTO_UDP)
		return vip->udp;
	return none;
}

/* Lowers the TTL by one or two and mends the header checksum (RFC 1624). An odd
 * TTL says that the frame is on the round. 0: it must not go any further. */
static __always_inline int age(struct iphdr *ip, __u8 odd)
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

static __always_inline int send_to(struct frame *fr, const struct vip *vip, const __u8 *mac)
{
	__builtin_memcpy(fr->eth->h_dest, mac, ETH_ALEN);
	__builtin_memcpy(fr->eth->h_source, vip->mac, ETH_ALEN);
	return SEND;
}

static __always_inline int drop(const struct vip *vip, enum reason why)
{
	count(vip->module, why);
	return DISCARD;
}
