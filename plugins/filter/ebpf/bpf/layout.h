/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space and the kernel programs share. layout.go is the twin of this
 * file; a change of meaning here needs a new layoutVersion there. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define BUCKETS 4096
#define MODULES 64
#define GROUPS 64
#define REASONS 64
#define NODES 64
#define LINKS 128

/* An address in network order; IPv4 is ::ffff:a.b.c.d. */
struct addr {
	__u64 half[2];
};

enum by { BY_ADDRESS, BY_PORT, BY_IPID };

/* Which table shares some traffic, and by what. */
struct share {
	__u16 group;
	__u8 by;  /* what is hashed besides the client's address */
	__u8 set; /* 0: there is no such share */
};

/* A virtual address; one cache line. The shares are those of rules for every
 * port; ports is the set of rules for single ports, 0 if there are none. */
struct vip {
	struct addr addr; /* zero: an empty place */
	__u32 ifindex;
	__u16 ports;
	__u16 link;
	__u8 module;
	__u8 pad;
	__u8 mac[6]; /* of the interface */
	__u32 real4; /* an address of the interface that is not virtual, or 0 */
	struct share tcp;
	struct share udp;
	struct share arp; /* address resolution and echo */
	__u16 at; /* its own place, which a look-up ends by reading: see vip_of */
	__u8 vmac[6]; /* invisible mode: the virtual Ethernet address; zero: directed mode */
	__u64 real6;  /* lower half of the interface's own link-local address, or 0 */
};

/* A rule for one port. The key is the set of rules, a bit for UDP, the port. */
struct rule {
	__u32 key; /* 0: an empty place */
	struct share share;
};

/* Addresses and rules lie where a multiplication by their seed puts them, or at
 * most PROBES - 1 places further: the writer looks for a seed that has it so.
 * That makes a look-up a few instructions, however many there are. */
#define PROBES 4
#define VIP_BITS 12
#define RULE_BITS 15

struct index {
	__u64 vip_seed;
	__u64 rule_seed;
	__u64 pad[6];
	struct vip vip[(1 << VIP_BITS) + PROBES - 1]; /* the last ones are empty */
	struct rule rule[(1 << RULE_BITS) + PROBES - 1];
};

#define LIVE_HALF 1   /* the half of the module's tables and links in force */
#define LIVE_ACCEPT 2 /* the application is ready */
#define LIVE_AGREED 4 /* all nodes are known to use the same table */
#define LIVE_MOVING 8 /* another table of the same plan follows; for user space */

struct module {
	__u64 add; /* hash.h */
	__u64 mul;
	__u64 last;
	__u8 self;
	__u8 fence;
	__u8 live; /* one byte, so that a switch is never seen half done */
	__u8 low_bits;
	__u8 pad[4];
	__u64 epoch; /* of the tables; no program reads it */
	__u64 silent; /* mask of nodes that take nothing now, node 1 the lowest bit */
};

/* What every verdict reads first. */
struct state {
	__u32 index; /* which half of the index is in force */
	__u32 pad;
	struct module module[MODULES];
};

/* A row is four node numbers, the owner in the lowest byte. The highest bits of
 * the lower two bytes say what part this node has in a hand-over (invisible.h). */
#define ROW_NODES 0x7f7f7f7f

/* Two tables for each group, 2*group and 2*group+1. */
struct table {
	__u32 row[BUCKETS];
};

/* The nodes of a module on one interface, two for each link as for tables. An
 * Ethernet address is a number here, its first byte the lowest; hint has the
 * node at a place that the seed chooses so that no two nodes meet. */
#define HINT_BITS 10

struct link {
	__u64 seed;
	__u64 mac[2 * NODES]; /* by node, 0 is none; twice as long, so that a mask is a bound */
	__u8 hint[1 << HINT_BITS];
};

/* Why a frame went where it went; layout.go has the names. */
enum reason {
	R_ACCEPT_NEW,
	R_ACCEPT_OWNER,
	R_ACCEPT_SOCKET,
	R_ACCEPT_RESET,
	R_ACCEPT_ECHO,
	R_FORWARD_NEW,
	R_FORWARD_OWNER,
	R_FORWARD_PREVIOUS,
	R_FORWARD_ECHO,
	R_ARP_ANSWER,
	R_ARP_REFRESH,
	R_ARP_MENDED,
	R_DROP_NO_RULE,
	R_DROP_LEASE,
	R_DROP_NOT_READY,
	R_DROP_NOBODY,
	R_DROP_NO_MAC,
	R_DROP_TTL,
	R_DROP_MALFORMED,
	R_DROP_BROADCAST,
	R_DROP_ARP_OTHER,
	R_DROP_ARP_ANNOUNCE,
	R_DROP_ARP_INTERFACE,
	R_ACCEPT_COOKIE,
	R_DROP_DISAGREED,
	R_ACCEPT_FRAGMENT,
	R_FORWARD_FRAGMENT,
	R_FORWARD_HANDOVER,
	R_DROP_HANDOVER,
	R_DROP_OTHER,
	R_DROP_STRANGER,
	R_NDP_ANSWER,
	R_NDP_REFRESH,
	R_NDP_MENDED,
	R_DROP_NDP_OTHER,
	R_DROP_NDP_ANNOUNCE,
	R_DROP_NO_ROOM,
	R_DROP_NDP_OWN,
};

/* What a bucket is to this node while a frame falls into it, two bits; the twin is
 * share.Class. */
#define CLASS_OTHER 1  /* this node does not own it */
#define CLASS_MOVING 2 /* it has previous owners */
#define CLASSES 4

/* Frames are counted by group and class of the bucket they fell into, and after
 * all those by module, if no bucket had to do with it. */
#define PLACES (GROUPS * CLASSES + MODULES)

struct counts {
	__u64 frames[REASONS];
};

/* Arrays only: the kernel's compiler turns a look-up in one into a few
 * instructions, where a hash map is a call of twenty nanoseconds. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct index);
} indexes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GROUPS * 2);
	__type(key, __u32);
	__type(value, struct table);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LINKS * 2);
	__type(key, __u32);
	__type(value, struct link);
} links SEC(".maps");

/* Until when this node serves, CLOCK_BOOTTIME in ns. Mapped into user space, so
 * that a renewal is one store. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} lease SEC(".maps");

/* When this processor last asked the clock whether the lease holds. */
struct proof {
	__u64 lease;
	__u64 jiffy;
	__u64 uses; /* how often the answer may still be used */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct proof);
} proofs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, struct counts);
} counters SEC(".maps");

/* Where the first fragment of a datagram went, for the later ones, which name no
 * ports. A flood can push out what others need, no more; then the bucket of the
 * address decides. */
struct fragment_key {
	struct addr client;
	struct addr local;
	__u32 id;
	__u32 proto;
};

struct fragment {
	__u64 until; /* CLOCK_BOOTTIME, ns */
	__u32 node;
	__u32 on_round;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} fragments SEC(".maps");

/* Who claims a virtual address without being a node that has it. */
struct stranger_key {
	struct addr addr;
	__u32 ifindex;
	__u32 pad;
};

struct stranger {
	__u64 mac;
	__u64 seen; /* CLOCK_BOOTTIME, ns */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, struct stranger_key);
	__type(value, struct stranger);
} strangers SEC(".maps");

/* Connections by group and bucket; written by the socket iterator only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GROUPS);
	__type(key, __u32);
	__type(value, struct table);
} sockets SEC(".maps");

/* What the loader wants to find again after a restart; no program reads it. */
struct saved {
	__u32 len;
	__u8 json[32764];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MODULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct saved);
} configs SEC(".maps");

static __always_inline void count_at(__u32 place, enum reason reason)
{
	struct counts *c = bpf_map_lookup_elem(&counters, &place);

	if (c)
		c->frames[reason & (REASONS - 1)]++;
}

static __always_inline __u32 place_of_module(__u32 module)
{
	return GROUPS * CLASSES + module;
}

static __always_inline void count(__u32 module, enum reason reason)
{
	count_at(place_of_module(module), reason);
}

/* Where frames are counted that fall into a row of a group. Without branches, as the
 * verifier would follow every way through them, and each of those through the rest
 * of the program: the sums carry into the class's bits. */
static __always_inline __u32 place_of(__u32 group, __u32 row, __u8 self)
{
	__u32 other = (((row & 0xff) ^ self) + 0xff) >> 8;
	__u32 moving = ((row >> 8) + 0xffffff) >> 24;

	return group * CLASSES + other * CLASS_OTHER + moving * CLASS_MOVING;
}
