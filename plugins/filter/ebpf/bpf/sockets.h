/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts the connections that this network namespace has to virtual addresses. */
#pragma once

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "packet.h"

#define FAMILY_INET 2
#define FAMILY_INET6 10
#define TCP_STATE_TIME_WAIT 6
#define TCP_STATE_CLOSE 7

/* The parts of kernel structures that are read; the loader finds where they are
 * in the running kernel. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct bpf_iter__tcp {
	struct sock_common *sk_common;
};

struct sock {
	struct sock_common __sk_common;
};

struct inet_sock {
	struct sock sk;
};

struct udp_sock {
	struct inet_sock inet;
};

struct bpf_iter__udp {
	struct udp_sock *udp_sk;
};
#pragma clang attribute pop

static __always_inline struct addr addr6(struct in6_addr *a)
{
	return (struct addr){ {
		a->in6_u.u6_addr32[0] | (__u64)a->in6_u.u6_addr32[1] << 32,
		a->in6_u.u6_addr32[2] | (__u64)a->in6_u.u6_addr32[3] << 32,
	} };
}

static __always_inline int count_socket(struct sock_common *sk, __u8 proto)
{
	struct flow flow = { .proto = proto };
	struct index *x;
	struct module *m;
	struct table *t;
	struct vip *vip;
	__u32 at, group;

	if (sk->skc_family == FAMILY_INET) {
		flow.local = mapped(sk->skc_rcv_saddr);
		flow.client = mapped(sk->skc_daddr);
	} else if (sk->skc_family == FAMILY_INET6 && bpf_core_field_exists(sk->skc_v6_daddr)) {
		flow.local = addr6(&sk->skc_v6_rcv_saddr);
		flow.client = addr6(&sk->skc_v6_daddr);
	} else {
		return 0;
	}
	x = index_now();
	vip = x ? vip_of(x, &flow.local) : 0;
	if (!vip)
		return 0;
	flow.local_port = sk->skc_num;
	flow.client_port = bpf_ntohs(sk->skc_dport);
	flow.share = share_of(x, vip, &flow);
	m = module_of(vip);
	/* Which bucket a packet falls into by its identification no socket tells. */
	if (!m || !flow.share.set || flow.share.by == BY_IPID)
		return 0;
	at = bucket_of(m, &flow.client, extra_of(&flow));
	group = flow.share.group;
	t = bpf_map_lookup_elem(&sockets, &group);
	if (t)
		__sync_fetch_and_add(&t->row[at & (BUCKETS - 1)], 1);
	return 0;
}

SEC("iter/tcp")
int count_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;

	if (!sk || sk->skc_state == TCP_STATE_LISTEN || sk->skc_state == TCP_STATE_TIME_WAIT ||
	    sk->skc_state == TCP_STATE_CLOSE)
		return 0;
	return count_socket(sk, IPPROTO_TCP);
}

SEC("iter/udp")
int count_datagram(struct bpf_iter__udp *ctx)
{
	struct udp_sock *sk = ctx->udp_sk;

	if (!sk || sk->inet.sk.__sk_common.skc_state != TCP_STATE_ESTABLISHED)
		return 0;
	return count_socket(&sk->inet.sk.__sk_common, IPPROTO_UDP);
}
