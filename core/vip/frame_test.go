package vip

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var testMAC = net.HardwareAddr{2, 0, 0, 1, 2, 3}

var testSource = net.HardwareAddr{2, 0, 0, 9, 9, 9}

// decode takes a frame apart with a library that knows nothing of ours.
func decode(t *testing.T, b []byte) gopacket.Packet {
	t.Helper()
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	if p.ErrorLayer() != nil {
		t.Fatal(p.ErrorLayer().Error())
	}
	return p
}

// The virtual MAC of vmac_invisible is never the source of a frame: a switch that
// learns it would bring all traffic to one node.
func TestARPAnnouncement(t *testing.T) {
	list, err := frames(netip.MustParseAddr("10.0.0.100"), testMAC, testSource)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d frames, %v", len(list), err)
	}
	ip, nobody := []byte{10, 0, 0, 100}, make([]byte, 6)
	for i, want := range []struct {
		op     uint16
		target []byte
	}{{layers.ARPRequest, nobody}, {layers.ARPReply, testMAC}} {
		p := decode(t, list[i])
		eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
		arp := p.Layer(layers.LayerTypeARP).(*layers.ARP)
		if len(list[i]) != 60 || !bytes.Equal(eth.DstMAC, layers.EthernetBroadcast) || !bytes.Equal(eth.SrcMAC, testSource) {
			t.Errorf("%d bytes from %s to %s", len(list[i]), eth.SrcMAC, eth.DstMAC)
		}
		if arp.Operation != want.op || !bytes.Equal(arp.SourceHwAddress, testMAC) || !bytes.Equal(arp.SourceProtAddress, ip) ||
			!bytes.Equal(arp.DstProtAddress, ip) || !bytes.Equal(arp.DstHwAddress, want.target) {
			t.Errorf("%+v", arp)
		}
	}
}

func TestARPProbe(t *testing.T) {
	p := decode(t, probe(netip.MustParseAddr("10.0.0.100"), testSource))
	arp := p.Layer(layers.LayerTypeARP).(*layers.ARP)
	if arp.Operation != layers.ARPRequest || !bytes.Equal(arp.SourceHwAddress, testSource) || !bytes.Equal(arp.SourceProtAddress, make([]byte, 4)) ||
		!bytes.Equal(arp.DstProtAddress, []byte{10, 0, 0, 100}) || !bytes.Equal(arp.DstHwAddress, make([]byte, 6)) {
		t.Errorf("%+v", arp)
	}
}

func TestNeighbourAdvertisement(t *testing.T) {
	addr := netip.MustParseAddr("fd00::100")
	list, err := frames(addr, testMAC, testSource)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d frames, %v", len(list), err)
	}
	p := decode(t, list[0])
	eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if !bytes.Equal(eth.SrcMAC, testSource) || eth.DstMAC.String() != "33:33:00:00:00:01" {
		t.Errorf("from %s to %s", eth.SrcMAC, eth.DstMAC)
	}
	ip := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	na := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	if !net.IP(addr.AsSlice()).Equal(ip.SrcIP) || !ip.DstIP.Equal(net.ParseIP("ff02::1")) || ip.HopLimit != 255 {
		t.Errorf("%+v", ip)
	}
	if !na.Override() || na.Router() || na.Solicited() || !na.TargetAddress.Equal(addr.AsSlice()) ||
		len(na.Options) != 1 || !bytes.Equal(na.Options[0].Data, testMAC) {
		t.Errorf("%+v", na)
	}
	sameChecksum(t, list[0], p)
}

func TestNeighbourSolicitation(t *testing.T) {
	b := probe(netip.MustParseAddr("fd00::12:3456"), testSource)
	p := decode(t, b)
	eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	ip := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	ns := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
	if !bytes.Equal(eth.SrcMAC, testSource) || eth.DstMAC.String() != "33:33:ff:12:34:56" {
		t.Errorf("from %s to %s", eth.SrcMAC, eth.DstMAC)
	}
	if !ip.SrcIP.Equal(net.IPv6zero) || ip.DstIP.String() != "ff02::1:ff12:3456" || ip.HopLimit != 255 {
		t.Errorf("%+v", ip)
	}
	if ns.TargetAddress.String() != "fd00::12:3456" || len(ns.Options) != 0 {
		t.Errorf("%+v", ns)
	}
	sameChecksum(t, b, p)
}

// sameChecksum has the library compute the checksum from the same layers.
func sameChecksum(t *testing.T, b []byte, p gopacket.Packet) {
	t.Helper()
	icmp := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	want := gopacket.NewSerializeBuffer()
	if err := icmp.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
		t.Fatal(err)
	}
	if err := gopacket.SerializeLayers(want, gopacket.SerializeOptions{ComputeChecksums: true}, icmp, gopacket.Payload(icmp.Payload)); err != nil {
		t.Fatal(err)
	}
	if got := b[14+40:]; !bytes.Equal(got, want.Bytes()) {
		t.Errorf("% x instead of % x", got, want.Bytes())
	}
}

func TestFramesRefuse(t *testing.T) {
	if _, err := frames(netip.MustParseAddr("10.0.0.1"), testMAC[:5], testSource); err == nil {
		t.Error("a short MAC address")
	}
	if _, err := frames(netip.MustParseAddr("10.0.0.1"), testMAC, nil); err == nil {
		t.Error("no source")
	}
	if _, err := frames(netip.Addr{}, testMAC, testSource); err == nil {
		t.Error("no address")
	}
}
