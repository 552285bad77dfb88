/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule 6: who answers for a virtual address, and the mending of requests that
 * this node's kernel sends in its name. */
#pragma once

#include "verdict.h"

/* ARP for IPv4 over Ethernet, RFC 826. Sixteen-bit fields, as the frame puts
 * the addresses on odd words. */
struct arp4 {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 op;
	__u8 sender_mac[6];
	__be16 sender[2];
	__u8 target_mac[6];
	__be16 target[2];
} __attribute__((packed));

static __always_inline __be32 arp_addr(const __be16 *half)
{
	return (__be32)half[0] | (__be32)half[1] << 16;
}

static __always_inline int is_request(const struct arp4 *arp)
{
	return arp->hardware == bpf_htons(1) && arp->protocol == bpf_htons(ETH_P_IP) &&
	       arp->hardware_len == 6 && arp->protocol_len == 4 && arp->op == bpf_htons(1);
}

/* Who answers a client for the address; 0: nobody. */
static __always_inline __u8 arp_owner(const struct vip *vip, const struct module *m, __u8 live, const struct addr *client)
{
	return vip->arp.set ? row_of(m, live, vip->arp, client, 0) & 0xff : 0;
}

static __always_inline int arp_reply(struct frame *fr, struct arp4 *arp, const struct vip *vip, __u64 owner)
{
	__be16 asked[2] = { arp->target[0], arp->target[1] };

	arp->op = bpf_htons(2);
	__builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN);
	arp->target[0] = arp->sender[0];
	arp->target[1] = arp->sender[1];
	put_mac(arp->sender_mac, owner);
	arp->sender[0] = asked[0];
	arp->sender[1] = asked[1];
	return send_to(fr, vip, mac_number(arp->target_mac));
}

/* A request for a virtual address never reaches this node's kernel. */
static __always_inline int arp_in(struct frame *fr)
{
	struct arp4 *arp = fr->l3;
	struct index *x = index_now();
	struct module *m;
	struct link *l;
	struct addr a;
	struct vip *vip;
	__u8 owner, live;

	if ((void *)(arp + 1) > fr->end || !is_request(arp) || !x)
		return PASS;
	a = mapped(arp_addr(arp->target));
	vip = vip_of(x, &a);
	if (!vip)
		return PASS;
	if (vip->ifindex != fr->ifindex)
		return drop(vip, R_DROP_ARP_INTERFACE);
	m = module_of(vip);
	if (!m)
		return DISCARD;
	live = live_of(m);
	if (arp_addr(arp->sender) == arp_addr(arp->target))
		return drop(vip, R_DROP_ARP_ANNOUNCE);
	if (!serving(m))
		return drop(vip, R_DROP_LEASE);
	a = mapped(arp_addr(arp->sender));
	owner = arp_owner(vip, m, live, &a);
	if (!owner)
		return drop(vip, R_DROP_NOBODY);
	if (owner == m->self) {
		count(vip->module, R_ARP_ANSWER);
		return arp_reply(fr, arp, vip, mac_number(vip->mac));
	}
	if (!mac_is(fr->eth->h_dest, vip->mac))
		return drop(vip, R_DROP_ARP_OTHER);
	l = link_of(vip, live);
	if (!l || !l->mac[owner & (2 * NODES - 1)])
		return drop(vip, R_DROP_NO_MAC);
	count(vip->module, R_ARP_REFRESH);
	return arp_reply(fr, arp, vip, l->mac[owner & (2 * NODES - 1)]);
}

/* A request that this node's kernel sends with a virtual address as sender
 * would point its receiver's cache here; it gets the interface's own address, or
 * none (then it is a probe, RFC 5227, which is answered just the same). An
 * announcement, which names one address twice, is meant and stays. */
static __always_inline void arp_out(struct frame *fr)
{
	struct arp4 *arp = fr->l3;
	struct index *x = index_now();
	__be32 real = 0;
	struct addr a;
	struct vip *vip;

	if ((void *)(arp + 1) > fr->end || !is_request(arp) || !x)
		return;
	if (arp_addr(arp->sender) == arp_addr(arp->target))
		return;
	a = mapped(arp_addr(arp->sender));
	vip = vip_of(x, &a);
	if (!vip)
		return;
	if (vip->ifindex == fr->ifindex) {
		if (!mac_is(fr->eth->h_source, vip->mac))
			return;
		real = vip->real4;
	}
	arp->sender[0] = (__be16)real;
	arp->sender[1] = (__be16)(real >> 16);
	count(vip->module, R_ARP_MENDED);
}
