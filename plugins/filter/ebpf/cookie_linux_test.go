package ebpf

import (
	"encoding/binary"
	"net"
	"os"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const strangerIP = "10.1.0.60"

// TestSynCookie: a connection whose SYN was answered with a cookie has no socket
// yet; the node that gave the cookie out accepts its first packet.
func TestSynCookie(t *testing.T) {
	fx := newFixture(t)
	// 2: a cookie for every SYN.
	check0(t, os.WriteFile("/proc/sys/net/ipv4/tcp_syncookies", []byte("2"), 0))
	l, err := net.Listen("tcp", vip+":8080")
	check0(t, err)
	defer l.Close()
	check0(t, netlink.NeighSet(&netlink.Neigh{
		LinkIndex: fx.ifindex, State: netlink.NUD_PERMANENT, IP: ip4(strangerIP), HardwareAddr: hardware(clientMAC),
	}))
	fx.set(rowOf(1, 2), true)
	cookie := fx.cookie()
	ack := func(n uint32) func(*packet) {
		return func(p *packet) {
			stranger(p)
			p.tcp.Seq, p.tcp.Ack = 8, n
		}
	}
	cases := []verdictCase{
		{name: "cookie, owner", row: rowOf(1, 2), kind: "tcp", change: ack(cookie + 1), want: "accept", reason: "accept-cookie"},
		{name: "cookie, previous owner", row: rowOf(2, 1), kind: "tcp", change: ack(cookie + 1), want: "accept", reason: "accept-cookie"},
		{name: "invented cookie", row: rowOf(1, 2), kind: "tcp", change: ack(cookie + 0x123456), want: "send", reason: "forward-previous", to: 2, ttl: 63},
	}
	for _, c := range cases {
		for _, p := range programs() {
			fx.check(t, p, c)
		}
	}
}

func stranger(p *packet) {
	p.ip.SrcIP, p.tcp.DstPort = ip4(strangerIP), openPort
}

// cookie sends a SYN over the wire and returns the number of the answer.
func (fx *fixture) cookie() uint32 {
	fx.t.Helper()
	other, err := netlink.LinkByName("other0")
	check0(fx.t, err)
	const everything = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8&0xff00
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, everything)
	check0(fx.t, err)
	defer unix.Close(fd)
	check0(fx.t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: other.Attrs().Index}))
	check0(fx.t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
	frame := fx.frame("tcp", all(stranger, syn))
	_, err = unix.Write(fd, frame)
	check0(fx.t, err)
	for {
		buf := make([]byte, 2048)
		n, err := unix.Read(fd, buf)
		check0(fx.t, err)
		p := gopacket.NewPacket(buf[:n], layers.LayerTypeEthernet, gopacket.Default)
		tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if ok && tcp.SYN && tcp.ACK && binary.BigEndian.Uint16(frame[34:]) == uint16(tcp.DstPort) {
			return tcp.Seq
		}
	}
}
