/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule 6 for IPv4: answers to requests for a virtual address, and the mending of
 * those that this node's kernel sends in its name. */
#pragma once

#include "neighbour.h"

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

static __always_inline int is_arp4(const struct arp4 *arp)
{
	return arp->hardware == bpf_htons(1) && arp->protocol == bpf_htons(ETH_P_IP) &&
	       arp->hardware_len == 6 && arp->protocol_len == 4;
}

static __always_inline int is_request(const struct arp4 *arp)
{
	return is_arp4(arp) && arp->op == bpf_htons(1);
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

/* A request for a virtual address never reaches this node's kernel, nor does
 * anything that is said in its name. */
static __always_inline int arp_in(struct frame *fr)
{
	struct arp4 *arp = fr->l3;
	struct index *x = index_now();
	struct vip *vip, *in_name_of;
	struct module *m;
	struct addr a;
	__u64 mac;

	if ((void *)(arp + 1) > fr->end || !is_arp4(arp) || !x)
		return PASS;
	a = mapped(arp_addr(arp->sender));
	in_name_of = vip_of(x, &a);
	if (in_name_of && in_name_of->ifindex == fr->ifindex) {
		m = module_of(in_name_of);
		return m ? claimed(fr, in_name_of, m, mac_number(arp->sender_mac), R_DROP_ARP_ANNOUNCE) : DISCARD;
	}
	if (!is_request(arp))
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
	a = mapped(arp_addr(arp->sender));
	mac = who_answers(fr, vip, m, &a, R_ARP_ANSWER, R_ARP_REFRESH, R_DROP_ARP_OTHER);
	return mac ? arp_reply(fr, arp, vip, mac) : DISCARD;
}

/* A request that this node's kernel sends with a virtual address as sender
 * would point its receiver's cache here; it gets the interface's own address, or
 * none (then it is a probe, RFC 5227, which is answered just the same). An
 * announcement, which names one address twice, is meant and stays, but nothing tells
 * the real Ethernet address for one that has a virtual one. */
static __always_inline void arp_out(struct frame *fr)
{
	struct arp4 *arp = fr->l3;
	struct index *x = index_now();
	__be32 real = 0;
	struct addr a;
	struct vip *vip;

	if ((void *)(arp + 1) > fr->end || !is_arp4(arp) || !x)
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
	if (!is_request(arp) || arp_addr(arp->sender) == arp_addr(arp->target)) {
		if (!mac_number(vip->vmac) || !mac_is(arp->sender_mac, vip->mac))
			return;
		__builtin_memcpy(arp->sender_mac, vip->vmac, ETH_ALEN);
	} else {
		arp->sender[0] = (__be16)real;
		arp->sender[1] = (__be16)(real >> 16);
	}
	count(vip->module, R_ARP_MENDED);
}
