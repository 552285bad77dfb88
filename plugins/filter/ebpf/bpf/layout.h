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
#define REASONS 32

/* An address in network order; IPv4 is ::ffff:a.b.c.d. */
struct addr {
	__u32 word[4];
};

/* ifindex 0 says: held by this node, on whatever interface. */
struct addr_key {
	struct addr addr;
	__u32 ifindex;
};

/* Which table shares some traffic, and by what. */
struct share {
	__u16 group;
	__u8 by_port; /* hash the client's port too */
	__u8 set;
};

/* A virtual address on one interface. The shares are those of rules for every
 * port; rules for one port are in the map rules, and has_ports says whether to
 * look there. */
struct vip {
	__u8 module;
	__u8 has_ports;
	__u8 mac[6];  /* of the interface */
	__u32 real4;  /* an address of the interface that is not virtual, or 0 */
	struct share tcp;
	struct share udp;
	struct share arp; /* address resolution and echo */
};

struct rule_key {
	struct addr addr;
	__u16 port; /* host order */
	__u8 proto;
	__u8 pad;
};

#define LIVE_HALF 1   /* the half of the tables in force */
#define LIVE_ACCEPT 2 /* the application is ready */
#define LIVE_AGREED 4 /* all nodes are known to use the same table */

struct module {
	__u64 key[2];
	__u8 self;
	__u8 fence;
	__u8 live; /* one byte, so that a switch is never seen half done */
	__u8 pad[5];
};

/* Two tables for each group, 2*group and 2*group+1. */
struct table {
	__u32 row[BUCKETS];
};

struct mac_key {
	__u32 ifindex;
	__u16 module;
	__u16 node;
};

struct mac {
	__u8 byte[6];
	__u8 pad[2];
};

struct peer_key {
	__u32 ifindex;
	__u16 module;
	__u8 mac[6];
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
	R_DROP_FRAGMENT,
	R_DROP_BROADCAST,
	R_DROP_ARP_OTHER,
	R_DROP_ARP_ANNOUNCE,
	R_DROP_ARP_INTERFACE,
	R_ACCEPT_COOKIE,
	R_DROP_DISAGREED,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct addr_key);
	__type(value, struct vip);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rule_key);
	__type(value, struct share);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MODULES);
	__type(key, __u32);
	__type(value, struct module);
} modules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GROUPS * 2);
	__type(key, __u32);
	__type(value, struct table);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, struct mac);
} macs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct peer_key);
	__type(value, __u32);
} peers SEC(".maps");

/* Until when this node serves, CLOCK_BOOTTIME in ns. Mapped into user space, so
 * that a renewal is one store. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} lease SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MODULES * REASONS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

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

static __always_inline void count(__u32 module, enum reason reason)
{
	__u32 at = module * REASONS + reason;
	__u64 *n = bpf_map_lookup_elem(&counters, &at);

	if (n)
		(*n)++;
}
