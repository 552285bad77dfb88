/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SipHash-1-3 over whole words; core/share.Bucket computes the same and says
 * where it comes from. */
#pragma once

#include "layout.h"

#define ROTL64(x, n) (((x) << (n)) | ((x) >> (64 - (n))))

struct sip {
	__u64 v0, v1, v2, v3;
};

static __always_inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = ROTL64(s->v1, 13) ^ s->v0;
	s->v0 = ROTL64(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = ROTL64(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = ROTL64(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = ROTL64(s->v1, 17) ^ s->v2;
	s->v2 = ROTL64(s->v2, 32);
}

static __always_inline void sip_word(struct sip *s, __u64 word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

/* The bucket of a client; port in host order, 0 if it is not to count. */
static __always_inline __u32 bucket_of(const struct module *m, const struct addr *client, __u16 port)
{
	struct sip s = {
		m->key[0] ^ 0x736f6d6570736575ULL,
		m->key[1] ^ 0x646f72616e646f6dULL,
		m->key[0] ^ 0x6c7967656e657261ULL,
		m->key[1] ^ 0x7465646279746573ULL,
	};

	if (!client->word[0] && !client->word[1] && client->word[2] == bpf_htonl(0xffff)) {
		s.v1 ^= 4;
		sip_word(&s, (__u64)bpf_ntohl(client->word[3]) << 32 | port);
	} else {
		s.v1 ^= 6;
		sip_word(&s, (__u64)bpf_ntohl(client->word[0]) << 32 | bpf_ntohl(client->word[1]));
		sip_word(&s, (__u64)bpf_ntohl(client->word[2]) << 32 | bpf_ntohl(client->word[3]));
		sip_word(&s, port);
	}
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return (s.v0 ^ s.v1 ^ s.v2 ^ s.v3) & (BUCKETS - 1);
}
