/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule 6: who answers for a virtual address, whatever the protocol. */
#pragma once

#include "verdict.h"

/* The Ethernet address at which a client is to look for a virtual address, if
 * this node is the one to say it; 0, and counted, if not. That is the owner of the
 * client's bucket. What is sent to this node alone, to refresh what the client
 * knows, it answers in the owner's name. */
static __always_inline __u64 who_answers(struct frame *fr, const struct vip *vip, struct module *m, const struct addr *client,
					 enum reason answer, enum reason refresh, enum reason other)
{
	__u32 row, place = place_of_module(vip->module);
	__u8 live = live_of(m), owner;
	struct link *l;
	__u64 mac;

	if (!serving(m)) {
		count_at(place, R_DROP_LEASE);
		return 0;
	}
	row = vip->arp.set ? row_of(m, live, vip->arp, client, 0) : 0;
	if (vip->arp.set)
		place = place_of(vip->arp.group, row, m->self);
	owner = row & 0xff;
	if (!owner) {
		count_at(place, R_DROP_NOBODY);
		return 0;
	}
	if (owner == m->self) {
		count_at(place, answer);
		return mac_number(vip->vmac) ?: mac_number(vip->mac);
	}
	if (!mac_is(fr->eth->h_dest, vip->mac)) {
		count_at(place, other);
		return 0;
	}
	mac = mac_number(vip->vmac);
	if (!mac) {
		l = link_of(vip, live);
		mac = l ? l->mac[owner & (2 * NODES - 1)] : 0;
	}
	count_at(place, mac ? refresh : R_DROP_NO_MAC);
	return mac;
}

/* Somebody says that a virtual address is at mac. That never reaches this node's
 * kernel. Nodes of the farm may say so (announce); anybody else is noted down. */
static __always_inline int claimed(struct frame *fr, const struct vip *vip, struct module *m, __u64 mac, enum reason announce)
{
	struct link *l = link_of(vip, live_of(m));
	struct stranger_key key = { .addr = vip->addr, .ifindex = fr->ifindex };
	struct stranger who = { .mac = mac };

	if (mac == mac_number(vip->vmac) || mac == mac_number(vip->mac) || (l && node_of(l, mac)))
		return drop(vip, announce);
	who.seen = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&strangers, &key, &who, BPF_ANY);
	return drop(vip, R_DROP_STRANGER);
}
