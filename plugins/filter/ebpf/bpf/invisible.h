/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who handles a frame to a virtual Ethernet address, which every node sees.
 * share.DecideInvisible is the twin and says why. */
#pragma once

#include "verdict.h"

/* The part that this node has in the hand-over of a bucket: share.Hand. */
enum hand { STEADY, EXPECTS, GIVES, TAKES };

static __always_inline __u32 hand_of(__u32 row)
{
	return (row >> 7 & 1) | (row >> 14 & 2);
}

/* Whether the application here takes something new: why it does not, or 0. */
static __always_inline struct verdict take(struct facts *f, enum reason why)
{
	if (!serving(f->module))
		return DROP(R_DROP_LEASE);
	return f->live & LIVE_ACCEPT ? ACCEPT(why) : DROP(R_DROP_NOT_READY);
}

static __always_inline __u32 with_hand(__u32 row, __u32 hand)
{
	return (row & ROW_NODES) | (hand & 1) << 7 | (hand & 2) << 14;
}

/* The row by which what a peer has handed over is judged as if all had seen it. For this
 * node has seen it too: if it takes what all see, it has taken it already. A SYN may come
 * twice; an echo request or a datagram (once) would be answered twice. A global function:
 * the verifier walks it once, not on every way that leads here. */
__attribute__((noinline)) __u32 row_handed(__u32 row, __u32 self, __u32 once)
{
	__u32 hand = hand_of(row);

	if ((row & 0x7f) == self)
		return with_hand(row, once && hand != TAKES ? TAKES : STEADY);
	if (hand == EXPECTS)
		row = (row & ~0xffU) | (self & 0x7f);
	return with_hand(row, STEADY);
}

/* What opens a connection, or needs none: one node takes it. */
static __always_inline struct verdict all_fresh(struct facts *f, __u32 row)
{
	__u8 owner = row & ROW_NODES & 0xff;

	if (!owner)
		return DROP(R_DROP_NOBODY);
	if (hand_of(row) == GIVES)
		return serving(f->module) ? ON_ROUND(owner, R_FORWARD_HANDOVER) : DROP(R_DROP_LEASE);
	if (owner != f->module->self)
		return DROP(R_DROP_OTHER);
	if (hand_of(row) == TAKES)
		return DROP(R_DROP_HANDOVER);
	return take(f, f->flow->echo ? R_ACCEPT_ECHO : R_ACCEPT_NEW);
}

/* What should have a connection somewhere. Without one here, another node may have
 * it, as long as a row has previous owners or the nodes may not agree. */
static __always_inline struct verdict all_open(struct facts *f, __u32 row, int six)
{
	__u8 agreed = f->live & LIVE_AGREED;
	struct verdict v = ACCEPT(R_ACCEPT_OWNER);

	row &= ROW_NODES;
	if (!row)
		return DROP(R_DROP_NOBODY);
	if (agreed && row < 0x100) {
		if (row != f->module->self)
			return DROP(R_DROP_OTHER);
	} else {
		switch (look_up_tcp(f, six)) {
		case SOCKET:
			v.reason = R_ACCEPT_SOCKET;
			break;
		case COOKIE:
			v.reason = R_ACCEPT_COOKIE;
			break;
		default:
			return DROP(agreed ? R_DROP_OTHER : R_DROP_DISAGREED);
		}
	}
	return serving(f->module) ? v : DROP(R_DROP_LEASE);
}

/* UDP: a connected socket takes what is its own; else it is as if each datagram
 * opened a connection. */
static __always_inline struct verdict all_datagram(struct facts *f, __u32 row, int six)
{
	__u8 agreed = f->live & LIVE_AGREED;
	struct verdict v;
	enum found found;

	if (!(row & ROW_NODES) || (agreed && (row & ROW_NODES) < 0x100))
		return all_fresh(f, row);
	found = look_up_udp(f, six);
	if (found == SOCKET && f->to != TO_ALL)
		return DROP(R_DROP_HANDOVER); /* what all see was taken */
	if (found == SOCKET)
		return serving(f->module) ? ACCEPT(R_ACCEPT_SOCKET) : DROP(R_DROP_LEASE);
	v = all_fresh(f, row);
	/* The kernel would answer "port unreachable", perhaps for another's flow. */
	if (v.accept && !agreed && found == NO_SOCKET)
		return DROP(R_DROP_DISAGREED);
	return v;
}

/* A frame to the virtual Ethernet address, or one that was handed over. */
static __always_inline struct verdict decide_all(struct facts *f, __u32 row, int six)
{
	switch (f->flow->kind) {
	case OPENS:
		return all_fresh(f, row);
	case DATAGRAM:
		return all_datagram(f, row, six);
	}
	return all_open(f, row, six);
}

/* Whether a frame to the real address was handed over. */
static __always_inline int handed(struct facts *f)
{
	return f->invisible && f->flow->kind != OPEN && f->flow->on_round && peer_of(f);
}

static __always_inline struct verdict verdict_of(struct facts *f, int six)
{
	const struct flow *flow = f->flow;
	__u32 row = row_with_hand(f->module, f->live, flow->share, &flow->client, extra_of(flow));

	f->place = place_of(flow->share.group, row & ROW_NODES, f->module->self);
	if (f->to != TO_ALL) {
		if (!handed(f))
			return decide(f, row & ROW_NODES, six);
		row = row_handed(row, f->module->self, flow->echo || flow->kind == DATAGRAM);
	}
	return decide_all(f, row, six);
}

/* The kernel takes only what is sent to the interface's own address. */
static __always_inline int accept_here(struct frame *fr, const struct vip *vip, const struct facts *f)
{
	if (f->to == TO_ALL)
		__builtin_memcpy(fr->eth->h_dest, vip->mac, ETH_ALEN);
	return ACCEPT_HERE;
}
