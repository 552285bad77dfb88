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

func TestARPRequest(t *testing.T) {
	b, err := frame(netip.MustParseAddr("10.0.0.100"), testMAC)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != 60 {
		t.Errorf("a frame of %d bytes", len(b))
	}
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	arp, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP)
	if !ok {
		t.Fatalf("no ARP: %s", p)
	}
	if !bytes.Equal(eth.DstMAC, layers.EthernetBroadcast) || !bytes.Equal(eth.SrcMAC, testMAC) {
		t.Errorf("from %s to %s", eth.SrcMAC, eth.DstMAC)
	}
	ip := []byte{10, 0, 0, 100}
	if arp.Operation != layers.ARPRequest || !bytes.Equal(arp.SourceHwAddress, testMAC) || !bytes.Equal(arp.SourceProtAddress, ip) ||
		!bytes.Equal(arp.DstProtAddress, ip) || !bytes.Equal(arp.DstHwAddress, make([]byte, 6)) {
		t.Errorf("%+v", arp)
	}
}

func TestNeighbourAdvertisement(t *testing.T) {
	addr := netip.MustParseAddr("fd00::100")
	b, err := frame(addr, testMAC)
	if err != nil {
		t.Fatal(err)
	}
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	if p.ErrorLayer() != nil {
		t.Fatal(p.ErrorLayer().Error())
	}
	ip := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	icmp := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	na := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	if !net.IP(addr.AsSlice()).Equal(ip.SrcIP) || !ip.DstIP.Equal(net.ParseIP("ff02::1")) || ip.HopLimit != 255 {
		t.Errorf("%+v", ip)
	}
	if !na.Override() || na.Router() || na.Solicited() || !na.TargetAddress.Equal(addr.AsSlice()) ||
		len(na.Options) != 1 || !bytes.Equal(na.Options[0].Data, testMAC) {
		t.Errorf("%+v", na)
	}
	// The library computes the checksum from the same layers.
	want := gopacket.NewSerializeBuffer()
	icmp.SetNetworkLayerForChecksum(ip)
	if err := gopacket.SerializeLayers(want, gopacket.SerializeOptions{ComputeChecksums: true}, icmp, gopacket.Payload(icmp.Payload)); err != nil {
		t.Fatal(err)
	}
	if got := b[14+40:]; !bytes.Equal(got, want.Bytes()) {
		t.Errorf("% x instead of % x", got, want.Bytes())
	}
}

func TestFrameRefuses(t *testing.T) {
	if _, err := frame(netip.MustParseAddr("10.0.0.1"), testMAC[:5]); err == nil {
		t.Error("a short MAC address")
	}
	if _, err := frame(netip.Addr{}, testMAC); err == nil {
		t.Error("no address")
	}
}
