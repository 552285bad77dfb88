// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The packet filter of a farm. DESIGN.md, one folder up, explains it. */

#include "arp.h"
#include "ipv4.h"

/* linux/bpf.h has these since 6.6; the programs also build with older headers. */
#define TCX_GO_ON (-1)
#define TCX_STOP 2
#define PACKET_TO_HOST 0

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline int judge(struct frame *fr)
{
	if ((void *)(fr->eth + 1) > fr->end)
		return PASS;
	if (fr->eth->h_proto == bpf_htons(ETH_P_IP))
		return ipv4_in(fr);
	if (fr->eth->h_proto == bpf_htons(ETH_P_ARP))
		return arp_in(fr);
	return PASS;
}

SEC("xdp.frags")
int filter_xdp(struct xdp_md *ctx)
{
	struct frame fr = {
		ctx, (void *)(long)ctx->data, (void *)(long)ctx->data_end, ctx->ingress_ifindex,
	};

	switch (judge(&fr)) {
	case DISCARD:
		return XDP_DROP;
	case SEND:
		return XDP_TX;
	default:
		return XDP_PASS;
	}
}

/* What the headers need at most: Ethernet, IP with options, TCP; or ICMP with
 * the packet inside. */
#define HEADERS (14 + 60 + 8 + 60 + 8)

SEC("tcx/ingress")
int filter_in(struct __sk_buff *skb)
{
	struct frame fr = { skb };
	__u32 want = skb->len < HEADERS ? skb->len : HEADERS;

	if (skb->vlan_present)
		return TCX_GO_ON;
	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_ARP))
		return TCX_GO_ON;
	if ((void *)(long)skb->data + want > (void *)(long)skb->data_end)
		bpf_skb_pull_data(skb, want);
	fr.eth = (void *)(long)skb->data;
	fr.end = (void *)(long)skb->data_end;
	fr.ifindex = skb->ifindex;
	switch (judge(&fr)) {
	case DISCARD:
		return TCX_STOP;
	case SEND:
		return bpf_redirect(skb->ifindex, 0);
	case ACCEPT_HERE:
		bpf_skb_change_type(skb, PACKET_TO_HOST);
		return TCX_GO_ON;
	default:
		return TCX_GO_ON;
	}
}

SEC("tcx/egress")
int filter_out(struct __sk_buff *skb)
{
	struct frame fr = { skb };

	if (skb->protocol != bpf_htons(ETH_P_ARP))
		return TCX_GO_ON;
	fr.eth = (void *)(long)skb->data;
	fr.end = (void *)(long)skb->data_end;
	fr.ifindex = skb->ifindex;
	if ((void *)(fr.eth + 1) <= fr.end)
		arp_out(&fr);
	return TCX_GO_ON;
}

#include "sockets.h"
