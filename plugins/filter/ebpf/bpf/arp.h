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

static __always_inline __u8 arp_owner(const struct vip *vip, const struct module *m, __be32 client)
{
	__u32 at = vip->arp.group * 2 + (m->live & LIVE_HALF);
	struct table *t = bpf_map_lookup_elem(&tables, &at);
	struct addr a = mapped(client);

	if (!t || !vip->arp.set)
		return 0;
	at = bucket_of(m, &a, 0);
	return *(volatile __u32 *)&t->row[at & (BUCKETS - 1)] & 0xff;
}

static __always_inline int arp_reply(struct frame *fr, struct arp4 *arp, const struct vip *vip, const __u8 *owner)
{
	__be16 asked[2] = { arp->target[0], arp->target[1] };

	arp->op = bpf_htons(2);
	__builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN);
	arp->target[0] = arp->sender[0];
	arp->target[1] = arp->sender[1];
	__builtin_memcpy(arp->sender_mac, owner, ETH_ALEN);
	arp->sender[0] = asked[0];
	arp->sender[1] = asked[1];
	return send_to(fr, vip, arp->target_mac);
}

/* A request for a virtual address never reaches this node's kernel. */
static __always_inline int arp_in(struct frame *fr)
{
	struct arp4 *arp = (void *)(fr->eth + 1);
	struct mac_key key = {};
	struct module *m;
	struct addr a;
	struct vip *vip;
	struct mac *mac;
	__u32 slot;
	__u8 owner;

	if ((void *)(arp + 1) > fr->end || !is_request(arp))
		return PASS;
	a = mapped(arp_addr(arp->target));
	vip = vip_of(&a, fr->ifindex);
	if (!vip) {
		vip = vip_of(&a, 0);
		return vip ? drop(vip, R_DROP_ARP_INTERFACE) : PASS;
	}
	slot = vip->module;
	m = bpf_map_lookup_elem(&modules, &slot);
	if (!m)
		return DISCARD;
	if (arp_addr(arp->sender) == arp_addr(arp->target))
		return drop(vip, R_DROP_ARP_ANNOUNCE);
	if (!serving(m))
		return drop(vip, R_DROP_LEASE);
	owner = arp_owner(vip, m, arp_addr(arp->sender));
	if (!owner)
		return drop(vip, R_DROP_NOBODY);
	if (owner == m->self) {
		count(slot, R_ARP_ANSWER);
		return arp_reply(fr, arp, vip, vip->mac);
	}
	if (!mac_is(fr->eth->h_dest, vip->mac))
		return drop(vip, R_DROP_ARP_OTHER);
	key.ifindex = fr->ifindex;
	key.module = slot;
	key.node = owner;
	mac = bpf_map_lookup_elem(&macs, &key);
	if (!mac)
		return drop(vip, R_DROP_NO_MAC);
	count(slot, R_ARP_REFRESH);
	return arp_reply(fr, arp, vip, mac->byte);
}

/* A request that this node's kernel sends with a virtual address as sender
 * would point its receiver's cache here; it gets the interface's own address, or
 * none (then it is a probe, RFC 5227, which is answered just the same). An
 * announcement, which names one address twice, is meant and stays. */
static __always_inline void arp_out(struct frame *fr)
{
	struct arp4 *arp = (void *)(fr->eth + 1);
	__be32 real = 0;
	struct addr a;
	struct vip *vip;

	if ((void *)(arp + 1) > fr->end || !is_request(arp))
		return;
	if (arp_addr(arp->sender) == arp_addr(arp->target))
		return;
	a = mapped(arp_addr(arp->sender));
	vip = vip_of(&a, fr->ifindex);
	if (vip) {
		if (!mac_is(fr->eth->h_source, vip->mac))
			return;
		real = vip->real4;
	} else {
		vip = vip_of(&a, 0);
		if (!vip)
			return;
	}
	arp->sender[0] = (__be16)real;
	arp->sender[1] = (__be16)(real >> 16);
	count(vip->module, R_ARP_MENDED);
}
