/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who handles a frame: here, which other node, or nobody. docs/architecture.md,
 * "The way of a packet", is the contract and share.Here.Decide the twin. */
#pragma once

#include "packet.h"

struct verdict {
	__u8 forward; /* node to send to; 0: see accept */
	__u8 accept;
	__u8 on_round; /* of what is forwarded; or handed over, see invisible.h */
	enum reason reason;
};

#define ACCEPT(why) ((struct verdict){ 0, 1, 0, why })
#define DROP(why) ((struct verdict){ 0, 0, 0, why })
#define FORWARD(node, why) ((struct verdict){ node, 0, 0, why })
#define ON_ROUND(node, why) ((struct verdict){ node, 0, 1, why })

/* Where something is looked up only when the verdict needs it. */
struct facts {
	void *ctx;
	const struct module *module;
	const struct flow *flow;
	void *ip; /* for the SYN cookie; null: not to be asked */
	void *tcp;
	const struct link *link;
	__u64 sender; /* Ethernet source */
	__u32 place;  /* where it is counted */
	__u8 to;      /* enum to: its destination */
	__u8 invisible;
	__u8 live;
};

#define LONGEST_JIFFY 10000000 /* ns, at 100 Hz, the slowest that a kernel ticks */
#define PROOF_USES 64

/* Whether the lease holds. To ask the clock costs more than all the rest,
 * so an answer is used again, by the same processor, while the lease is the one
 * that was looked at, and the jiffy too, which the lease outlives. A machine that
 * was stopped (a virtual one paused, a laptop asleep) may see its old jiffy for
 * a moment after the clock has jumped; therefore the answer is good for 64
 * packets and no more. A lease that is taken back counts at once. */
static __always_inline int lease_holds(void)
{
	__u32 zero = 0;
	__u64 *lease_now, until, now, jiffy;
	struct proof *p;

	lease_now = bpf_map_lookup_elem(&lease, &zero);
	p = bpf_map_lookup_elem(&proofs, &zero);
	if (!lease_now || !p)
		return 0;
	until = *(volatile __u64 *)lease_now;
	jiffy = bpf_jiffies64();
	if (p->lease == until && p->jiffy == jiffy && p->uses) {
		p->uses--;
		return 1;
	}
	now = bpf_ktime_get_boot_ns();
	p->lease = until;
	p->jiffy = jiffy;
	p->uses = until > now + LONGEST_JIFFY ? PROOF_USES : 0;
	return now < until;
}

/* Whether this node may serve. */
static __always_inline int serving(const struct module *m)
{
	return !m->fence || lease_holds();
}

static __always_inline int facts_of(struct facts *f, const struct frame *fr, struct state *s, const struct vip *vip)
{
	f->module = &s->module[vip->module & (MODULES - 1)];
	f->place = place_of_module(vip->module);
	f->live = live_of(f->module);
	/* A node that serves on without a lease may do so by an old table. */
	if (!f->module->fence && !lease_holds())
		f->live &= ~LIVE_AGREED;
	f->link = link_of(vip, f->live);
	f->sender = mac_wide(fr->eth->h_source);
	f->invisible = mac_wide(vip->vmac) != 0;
	return f->link != 0;
}

/* Whose a frame is by its Ethernet destination. */
enum to {
	TO_OTHERS, /* flooded by a switch */
	TO_US,
	TO_ALL, /* to the virtual Ethernet address, invisible mode */
};

static __always_inline enum to to_whom(const struct frame *fr, const struct vip *vip)
{
	__u64 mac = mac_wide(fr->eth->h_dest);

	if (mac == mac_wide(vip->mac))
		return TO_US;
	return mac && mac == mac_wide(vip->vmac) ? TO_ALL : TO_OTHERS;
}

static __always_inline __u32 peer_of(struct facts *f)
{
	return node_of(f->link, f->sender);
}

#define TCP_STATE_ESTABLISHED 1 /* of a UDP socket: it is connected */
#define TCP_STATE_LISTEN 10

enum found { NO_SOCKET, SOCKET, COOKIE, BOUND };

static __always_inline __u32 tuple_of(struct bpf_sock_tuple *t, const struct flow *flow, int six)
{
	__be16 from = bpf_htons(flow->client_port), to = bpf_htons(flow->local_port);

	if (!six) {
		t->ipv4.saddr = flow->client.half[1] >> 32;
		t->ipv4.daddr = flow->local.half[1] >> 32;
		t->ipv4.sport = from;
		t->ipv4.dport = to;
		return sizeof(t->ipv4);
	}
	__builtin_memcpy(t->ipv6.saddr, &flow->client, sizeof(flow->client));
	__builtin_memcpy(t->ipv6.daddr, &flow->local, sizeof(flow->local));
	t->ipv6.sport = from;
	t->ipv6.dport = to;
	return sizeof(t->ipv6);
}

/* Whether the kernel has a socket for the flow. A listener is none, but it may
 * know the flow by a SYN cookie that it gave out. */
static __always_inline enum found look_up_tcp(struct facts *f, int six)
{
	struct bpf_sock_tuple tuple;
	__u32 len = tuple_of(&tuple, f->flow, six);
	enum found found = SOCKET;
	struct bpf_sock *sk;

	sk = bpf_skc_lookup_tcp(f->ctx, &tuple, len, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return NO_SOCKET;
	if (sk->state == TCP_STATE_LISTEN) {
		found = NO_SOCKET;
		if (f->ip && bpf_tcp_check_syncookie(sk, f->ip, six ? sizeof(struct ip6) : sizeof(struct iphdr),
						     f->tcp, sizeof(struct tcphdr)) == 0)
			found = COOKIE;
	}
	bpf_sk_release(sk);
	return found;
}

/* The same for UDP: only a connected socket belongs to the flow; one that is
 * bound takes what comes. */
static __always_inline enum found look_up_udp(struct facts *f, int six)
{
	struct bpf_sock_tuple tuple;
	__u32 len = tuple_of(&tuple, f->flow, six);
	enum found found;
	struct bpf_sock *sk;

	sk = bpf_sk_lookup_udp(f->ctx, &tuple, len, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return NO_SOCKET;
	found = sk->state == TCP_STATE_ESTABLISHED ? SOCKET : BOUND;
	bpf_sk_release(sk);
	return found;
}

/* All ones if a < b, else 0; both small. The compiler must not make a branch of it. */
static __always_inline __s32 below(__s32 a, __s32 b)
{
	a -= b;
	asm volatile("" : "+r"(a));
	return a >> 31;
}

/* The lowest node number above floor in a row, other than self; 0: none. Without
 * branches, as the verifier would follow every way through them, and each of
 * those through the rest of the program. */
static __always_inline __u8 next_node(__u32 row, __u8 floor, __u8 self)
{
	__s32 best = 0xff, node;

#pragma unroll
	for (int i = 0; i < 4; i++, row >>= 8) {
		node = row & 0xff;
		node |= (~below(floor, node) | below(node ^ self, 1)) & 0xff;
		best += (node - best) & below(node, best);
	}
	return best & ~below(0xfe, best);
}

/* Rule 1: a SYN, and what needs no connection. */
static __always_inline struct verdict decide_fresh(struct facts *f, __u32 row)
{
	__u8 owner = row & 0xff, self = f->module->self, echo = f->flow->echo;
	int ready = f->live & LIVE_ACCEPT, serve;
	enum reason forward = echo ? R_FORWARD_ECHO : R_FORWARD_NEW;
	__u32 from = 0;

	if (!owner)
		return DROP(R_DROP_NOBODY);
	if (owner != self) {
		from = peer_of(f);
		if (!from)
			return FORWARD(owner, forward);
	}
	serve = serving(f->module);
	if (serve && ready)
		return ACCEPT(echo ? R_ACCEPT_ECHO : R_ACCEPT_NEW);
	if (owner != self && owner != from)
		return FORWARD(owner, forward);
	return DROP(serve ? R_DROP_NOT_READY : R_DROP_LEASE);
}

/* A row without those of its previous owners that are silent: without a lease
 * they would drop what they are sent. A global function: the verifier walks it once,
 * not on every way that leads here. */
__attribute__((noinline)) __u32 heard_of(__u32 row, __u64 silent)
{
	for (int at = 8; at < 32; at += 8) {
		__u32 node = row >> at & 0x7f;

		if (node && silent >> ((node - 1) & 63) & 1)
			row &= ~(0xffU << at);
	}
	return row;
}

/* The next node on the round: the lowest that is heard, else the lowest that is not. */
__attribute__((noinline)) __u32 next_on_round(__u32 row, __u32 heard, __u32 floor, __u32 self)
{
	__u32 next = next_node(heard, floor, self);

	return next || heard == row ? next : next_node(row, floor, self);
}

/* Rules 2, 3 and 4: anything that should have a connection somewhere. While the
 * nodes may not agree, everything is looked up and nothing is reset.
 *
 * The round visits the nodes of a row by rising number, and a frame says that it
 * is on it. So no two tables that both name a node can make a frame miss that
 * node, and no tables whatever can make it run in a circle.
 *
 * While the nodes agree, a silent node is only asked when no other is left, and then
 * nothing is reset, as it may have been passed by. */
static __always_inline struct verdict decide_open(struct facts *f, __u32 row, int six)
{
	__u8 owner, next, floor, self = f->module->self, agreed = f->live & LIVE_AGREED;
	__u32 from, heard;

	/* Nobody takes new connections: the latest previous owner stands in. */
	if (!(row & 0xff))
		row >>= 8;
	owner = row & 0xff;
	if (!owner)
		return DROP(R_DROP_NOBODY);
	if (agreed && row == self)
		return ACCEPT(R_ACCEPT_OWNER);
	from = peer_of(f);
	if (agreed && row == owner && !from)
		return FORWARD(owner, R_FORWARD_OWNER);
	switch (look_up_tcp(f, six)) {
	case SOCKET:
		return ACCEPT(R_ACCEPT_SOCKET);
	case COOKIE:
		return ACCEPT(R_ACCEPT_COOKIE);
	default:
		break;
	}
	if (!from && owner != self)
		return FORWARD(owner, R_FORWARD_OWNER);
	floor = from && f->flow->on_round ? self : 0;
	heard = agreed && f->module->silent ? heard_of(row, f->module->silent) : row;
	next = next_on_round(row, heard, floor, self);
	if (next)
		return ON_ROUND(next, R_FORWARD_PREVIOUS);
	return agreed && heard == row ? ACCEPT(R_ACCEPT_RESET) : DROP(R_DROP_DISAGREED);
}

/* Rule 8: UDP, where most applications connect no socket, so that nothing tells
 * whose a flow is. In a settled row the owner takes all. In any other a connected
 * socket is looked for, by whoever gets the frame from outside, then on the round;
 * its last node sends the frame to the owner, not on the round any more, who takes
 * what a peer sends to it so. Numbers rise on the round and the step after it is the
 * last, so no tables whatever can make a frame run in a circle. */
static __always_inline struct verdict decide_datagram(struct facts *f, __u32 row, int six)
{
	__u8 owner = row & 0xff, next, self = f->module->self, agreed = f->live & LIVE_AGREED;
	enum found found = BOUND;
	__u32 from = 0;

	row = heard_of(row, f->module->silent);
	if (!row)
		return DROP(R_DROP_NOBODY);
	if (row != self || !agreed)
		from = peer_of(f);
	if (agreed && row == owner && !(owner != self && from && f->flow->on_round)) {
		if (owner != self && !from)
			return FORWARD(owner, R_FORWARD_OWNER);
		if (!(f->live & LIVE_ACCEPT) && look_up_udp(f, six) == SOCKET)
			return ACCEPT(R_ACCEPT_SOCKET);
	} else {
		found = look_up_udp(f, six);
		if (found == SOCKET)
			return ACCEPT(R_ACCEPT_SOCKET);
		if (!from || f->flow->on_round) {
			next = next_on_round(row, row, from ? self : 0, self);
			if (next)
				return ON_ROUND(next, R_FORWARD_PREVIOUS);
			if (!owner)
				return DROP(R_DROP_NOBODY);
			if (owner != self)
				return FORWARD(owner, R_FORWARD_OWNER);
		}
	}
	if (!(f->live & LIVE_ACCEPT))
		return DROP(R_DROP_NOT_READY);
	/* The kernel would answer "port unreachable", perhaps for another's flow. */
	if (!agreed && found == NO_SOCKET)
		return DROP(R_DROP_DISAGREED);
	return ACCEPT(R_ACCEPT_OWNER);
}

/* Where a frame goes. Rule 7: without the lease nothing is accepted, and nothing
 * sent on a round, which might miss a node of a newer table. In invisible mode, where the
 * mark of the round tells what was handed over, a datagram goes to the owner. */
static __always_inline struct verdict decide(struct facts *f, __u32 row, int six)
{
	const struct flow *flow = f->flow;
	struct verdict v;

	if (flow->kind == OPENS || (f->invisible && flow->kind == DATAGRAM))
		return decide_fresh(f, row);
	v = flow->kind == DATAGRAM ? decide_datagram(f, row, six) : decide_open(f, row, six);
	if ((v.accept || v.on_round) && !serving(f->module))
		return DROP(R_DROP_LEASE);
	return v;
}
