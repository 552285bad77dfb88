package load

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/net/bpf"
)

// answerTo is a frame of a TCP segment; change alters it.
func answerTo(t *testing.T, from, to netip.AddrPort, change func(*layers.Ethernet, *layers.TCP)) []byte {
	t.Helper()
	ether := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 9}, EthernetType: layers.EthernetTypeIPv4}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()), SYN: true, ACK: true, Seq: 100, Ack: 7}
	var ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	}
	if from.Addr().Is4() {
		ip = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice(),
			Options: []layers.IPv4Option{{OptionType: 1}}}
	} else {
		ether.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	}
	change(ether, tcp)
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ether, ip, tcp); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWitnessCountsSYNsAnsweredTwice(t *testing.T) {
	for _, server := range []string{"10.77.0.100:80", "[fd77::100]:80"} {
		target := netip.MustParseAddrPort(server)
		client := netip.AddrPortFrom(target.Addr().Next(), 4000)
		list := filter6
		if target.Addr().Is4() {
			list = filter4
		}
		filter, err := bpf.NewVM(list(target))
		if err != nil {
			t.Fatal(err)
		}
		w, count := &witness{six: target.Addr().Is6(), seen: map[handshake]synAck{}}, newCounters()
		see := func(from netip.AddrPort, change func(*layers.Ethernet, *layers.TCP)) {
			frame := answerTo(t, from, client, change)
			if n, err := filter.Run(frame); err != nil || n == 0 {
				return
			}
			syn, answer, ok := w.parse(frame)
			if !ok || syn.client != client.Addr() {
				t.Fatalf("%+v %+v %v", syn, answer, ok)
			}
			w.take(syn, answer, time.Second, count)
		}
		none := func(*layers.Ethernet, *layers.TCP) {}
		see(target, none)
		see(target, none) // repeated
		see(target, func(_ *layers.Ethernet, tcp *layers.TCP) { tcp.SYN, tcp.Seq = false, 101 })
		see(target, func(_ *layers.Ethernet, tcp *layers.TCP) { tcp.Ack, tcp.Seq = 8, 300 })
		see(netip.AddrPortFrom(target.Addr(), 81), func(_ *layers.Ethernet, tcp *layers.TCP) { tcp.Seq = 999 })
		see(netip.AddrPortFrom(target.Addr().Prev(), 80), func(_ *layers.Ethernet, tcp *layers.TCP) { tcp.Seq = 999 })
		if count.doubled != 0 || len(w.seen) != 2 {
			t.Errorf("%s: %d doubles, %d SYNs", server, count.doubled, len(w.seen))
		}
		see(target, func(e *layers.Ethernet, tcp *layers.TCP) { e.SrcMAC[5], tcp.Seq = 2, 999 })
		if count.doubled != 1 || count.doubles[0].By != [2]string{"02:00:00:00:00:01", "02:00:00:00:00:02"} {
			t.Errorf("%s: %+v", server, count.doubles)
		}
	}
}

func TestWitnessSeesTheHandshakes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("packet sockets need root")
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		web.Listener = listener
		web.Start()
		defer web.Close()
		cfg, err := Config{Target: netip.MustParseAddrPort(listener.Addr().String()), Rate: 100, Duration: 200 * time.Millisecond, Doubles: true}.complete()
		if err != nil {
			t.Fatal(err)
		}
		best(t, func() string {
			l, err := newLoop(cfg, func(Report) {})
			if err != nil {
				t.Fatal(err)
			}
			report, err := l.run(t.Context())
			if err != nil || report.New.OK == 0 || int64(len(l.witness.seen)) != report.New.OK || report.New.Doubled == nil || report.New.Twice() != 0 {
				return fmt.Sprintf("%s: %v: %d handshakes seen, %+v", address, err, len(l.witness.seen), report.New)
			}
			return ""
		})
	}
}
