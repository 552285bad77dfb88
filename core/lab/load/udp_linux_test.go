package load

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// udpServer answers each datagram as answer says.
func udpServer(t *testing.T, answer func(reply func(string), request []byte, from netip.AddrPort)) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			answer(func(text string) { _, _ = conn.WriteToUDPAddrPort([]byte(text), from) }, buffer[:n], from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestDatagramsAreCounted(t *testing.T) {
	turn := 0
	target := udpServer(t, func(reply func(string), request []byte, _ netip.AddrPort) {
		turn++
		switch turn % 4 {
		case 1: // silence
		case 2: // two answers
			reply("n1\n" + string(request))
			reply("n2\n" + string(request))
		case 3: // damaged
			reply("n1\n" + string(request[1:]))
		default:
			reply("n3\n" + string(request))
		}
	})
	best(t, func() string {
		report, err := Run(t.Context(), Config{Target: target, UDP: true, Size: 3000, Rate: 100, Duration: 400 * time.Millisecond}, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := report.New
		quarter := n.Attempts / 4
		if n.Attempts < 30 || n.Twice() < quarter-2 || n.Causes[NoAnswer] < quarter-2 || n.Causes[BadAnswer] < quarter-2 || n.OK+n.Failed != n.Attempts {
			return fmt.Sprintf("%+v", n)
		}
		if n.Nodes["n1"] == 0 || n.Nodes["n3"] == 0 || n.Nodes["n2"] != 0 || n.Doubles[0].By != [2]string{"n1", "n2"} || n.Repeated != 0 || report.Proto != "udp" {
			return fmt.Sprintf("%+v", report)
		}
		return ""
	})
}

// A client that keeps its port is answered, moves to another server and loses it.
func TestDatagramClientsMove(t *testing.T) {
	node, silent := make(chan string, 1), make(chan struct{})
	name := "n1"
	target := udpServer(t, func(reply func(string), request []byte, _ netip.AddrPort) {
		select {
		case name = <-node:
		case <-silent:
			return
		default:
		}
		reply(name + "\n" + string(request))
	})
	ctx, cancel := context.WithCancel(t.Context())
	phase := 0
	report, err := Run(ctx, Config{Target: target, UDP: true, Connections: 5, Interval: 10 * time.Millisecond, Every: 10 * time.Millisecond, Patience: 3 * time.Second},
		func(r Report) {
			c := r.Connections
			switch {
			case phase == 0 && c.Nodes["n1"] == 5 && c.Requests > 20:
				phase = 1
				node <- "n2"
			case phase == 1 && c.Nodes["n2"] == 5:
				phase = 2
				close(silent)
			case phase == 2 && c.Broken == 5:
				cancel()
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	if c := report.Connections; c.Moved != 5 || c.Broken != 5 || c.Breaks[0].Cause != NoAnswer || c.Breaks[0].Node != "n2" || report.New.Twice() != 0 {
		t.Errorf("%+v", report)
	}
}

func TestNobodyListensToDatagrams(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	nobody := netip.MustParseAddrPort(fmt.Sprint(conn.LocalAddr()))
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), Config{Target: nobody, UDP: true, Rate: 100, Duration: 100 * time.Millisecond}, nil)
	if err != nil || report.New.Failed == 0 || report.New.Causes[Refused] != report.New.Failed {
		t.Errorf("%v %+v", err, report.New)
	}
}
