// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The packet filter of a farm. DESIGN.md, one folder up, explains it. */

#include "arp.h"
#include "ipv4.h"
#include "ipv6.h"

/* linux/bpf.h has these since 6.6; the programs also build with older headers. */
#define TCX_GO_ON (-1)
#define TCX_STOP 2
#define PACKET_TO_HOST 0
#define PACKET_TO_OTHERS 3

#define VLAN_ID 0x0fff

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* IEEE 802.1Q */
struct tag {
	__be16 control;
	__be16 proto;
};

static __always_inline int judge(struct frame *fr)
{
	struct tag *tag = (void *)(fr->eth + 1);
	__be16 proto;

	if ((void *)tag > fr->end)
		return PASS;
	proto = *(__be16 *)&fr->eth->h_proto; /* struct ethhdr is packed: it would be read by bytes */
	fr->l3 = tag;
	if (proto == bpf_htons(ETH_P_8021Q)) {
		/* A tag without a number only gives a priority; the frame is of this
		 * interface. What has one belongs to the VLAN's own. */
		if ((void *)(tag + 1) > fr->end || tag->control & bpf_htons(VLAN_ID))
			return PASS;
		proto = tag->proto;
		fr->l3 = tag + 1;
		fr->tagged = 1;
	}
	switch (proto) {
	case bpf_htons(ETH_P_IP):
		return ipv4_in(fr);
	case bpf_htons(ETH_P_IPV6):
		return ipv6_in(fr);
	case bpf_htons(ETH_P_ARP):
		return arp_in(fr);
	}
	return PASS;
}

/* Which frames are this program's own: a mark of a packet in the kernel (skb->mark),
 * so that filter_out knows them. */
#define OURS 0x6f726368

SEC("xdp.frags")
int filter_xdp(struct xdp_md *ctx)
{
	struct frame fr = {
		ctx, (void *)(long)ctx->data, 0, (void *)(long)ctx->data_end, ctx->ingress_ifindex, 0,
	};

	switch (judge(&fr)) {
	case DISCARD:
		return XDP_DROP;
	case SEND:
		return XDP_TX;
	case ANSWER:
		if (bpf_xdp_adjust_tail(ctx, nd_len(&fr) - (int)bpf_xdp_get_buff_len(ctx)))
			return drop(fr.vip, R_DROP_NO_ROOM), XDP_DROP;
		fr.eth = (void *)(long)ctx->data;
		fr.end = (void *)(long)ctx->data_end;
		fr.l3 = fr.eth + 1;
		if (fr.tagged)
			fr.l3 = (void *)(fr.eth + 1) + sizeof(struct tag);
		return nd_answer(&fr) == SEND ? XDP_TX : XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/* What headers may need: Ethernet, IP with options or some extension headers,
 * ICMP, and the headers of the packet inside. */
#define HEADERS 256

SEC("tcx/ingress")
int filter_in(struct __sk_buff *skb)
{
	struct frame fr = { .ctx = skb, .skb = 1 };
	__u32 want = skb->len < HEADERS ? skb->len : HEADERS;

	if (skb->vlan_present && skb->vlan_tci & VLAN_ID)
		return TCX_GO_ON;
	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6) &&
	    skb->protocol != bpf_htons(ETH_P_ARP))
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
	case ANSWER:
		if (bpf_skb_change_tail(skb, nd_len(&fr), 0))
			return drop(fr.vip, R_DROP_NO_ROOM), TCX_STOP;
		fr.eth = (void *)(long)skb->data;
		fr.end = (void *)(long)skb->data_end;
		fr.l3 = fr.eth + 1;
		if (fr.tagged)
			fr.l3 = (void *)(fr.eth + 1) + sizeof(struct tag);
		if (nd_answer(&fr) != SEND)
			return TCX_STOP;
		skb->mark = OURS;
		return bpf_redirect(skb->ifindex, 0);
	default:
		return TCX_GO_ON;
	}
}

/* What filter_xdp has accepted for a virtual Ethernet address it sent on to the
 * interface's own. A veth does not look at that again. */
SEC("tcx/ingress")
int filter_host(struct __sk_buff *skb)
{
	struct frame fr = { .ctx = skb, .skb = 1 };
	struct index *x = index_now();
	struct vip *vip;
	struct addr a;

	if (skb->pkt_type != PACKET_TO_OTHERS || !x)
		return TCX_GO_ON;
	fr.eth = (void *)(long)skb->data;
	fr.end = (void *)(long)skb->data_end;
	fr.l3 = fr.eth + 1;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = fr.l3;

		if ((void *)(ip + 1) > fr.end)
			return TCX_GO_ON;
		a = mapped(ip->daddr);
	} else {
		struct ip6 *ip = fr.l3;

		if (skb->protocol != bpf_htons(ETH_P_IPV6) || (void *)(ip + 1) > fr.end)
			return TCX_GO_ON;
		a = ip->to;
	}
	vip = vip_of(x, &a);
	if (vip && vip->ifindex == skb->ifindex && mac_is(fr.eth->h_dest, vip->mac))
		bpf_skb_change_type(skb, PACKET_TO_HOST);
	return TCX_GO_ON;
}

SEC("tcx/egress")
int filter_out(struct __sk_buff *skb)
{
	struct frame fr = { .ctx = skb, .skb = 1 };

	if (skb->protocol != bpf_htons(ETH_P_ARP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return TCX_GO_ON;
	fr.eth = (void *)(long)skb->data;
	fr.end = (void *)(long)skb->data_end;
	fr.ifindex = skb->ifindex;
	fr.l3 = fr.eth + 1;
	if (fr.l3 > fr.end)
		return TCX_GO_ON;
	if (skb->mark == OURS)
		skb->mark = 0;
	else if (skb->protocol == bpf_htons(ETH_P_ARP))
		arp_out(&fr);
	else if (!ndp_out(&fr))
		return TCX_STOP;
	return TCX_GO_ON;
}

#include "sockets.h"
