/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a client to its bucket; core/share.Bucket computes the same and says why
 * it is safe. */
#pragma once

#include "layout.h"

#define IPV4_MAPPED 0xffff0000ULL /* the lower half of ::ffff:0.0.0.0, in network order */

static __always_inline __u64 mix(const struct module *m, __u64 h, __u64 word)
{
	h = (h + word) * m->mul;
	return h ^ h >> 32;
}

/* The bucket of a client; port, or what counts for it, in host order; 0 if
 * it is not to count. */
static __always_inline __u32 bucket_of(const struct module *m, const struct addr *client, __u16 port)
{
	__u64 h = m->add;

	if (m->low_bits)
		return (port ? port : bpf_ntohl(client->half[1] >> 32)) & (BUCKETS - 1);
	if (!client->half[0] && (__u32)client->half[1] == IPV4_MAPPED) {
		h = mix(m, h, (__u64)bpf_ntohl(client->half[1] >> 32) << 16 | port);
	} else {
		h = mix(m, h, bpf_be64_to_cpu(client->half[0]));
		h = mix(m, h, bpf_be64_to_cpu(client->half[1]));
		h = mix(m, h, port);
	}
	h *= m->mul;
	h ^= h >> 29;
	return h * m->last >> 52;
}
