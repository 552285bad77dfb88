package ping

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Run(t, New(), sdktest.Options{
		Settings: []byte(`{"addr":"127.0.0.1","timeout":"2s"}`),
		Invalid: []json.RawMessage{
			[]byte(`{}`), []byte(`{"addr":""}`), []byte(`{"addr":"::1","timeout":"soon"}`), []byte(`{"addr":"::1","port":1}`),
		},
	})
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err    error
		status sdk.Status
		reason string
	}{
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, sdk.StatusDown, "ping a: no answer within 2s"},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("sendto", syscall.ENETUNREACH)}, sdk.StatusDown, "ping a: network is unreachable"},
		{&unreachable{"host unreachable", netip.MustParseAddr("192.0.2.1")}, sdk.StatusDown, "ping a: host unreachable, says 192.0.2.1"},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("sendto", syscall.ENOBUFS)}, sdk.StatusUnknown, "ping a: no buffer space available"},
		{os.NewSyscallError("socket", syscall.EPERM), sdk.StatusUnknown, "ping a: this process may not send ICMP; it needs CAP_NET_RAW, or its group in net.ipv4.ping_group_range"},
		{context.Canceled, sdk.StatusUnknown, "ping a: the check was cancelled"},
		{errors.New("odd"), sdk.StatusDown, "ping a: odd"},
	} {
		if r := explain("a", c.err, 2*time.Second); r.Status != c.status || r.Reason != c.reason {
			t.Errorf("%v: got %s %q, want %s %q", c.err, r.Status, r.Reason, c.status, c.reason)
		}
	}
}

// packet writes a message as it would arrive.
func packet(t *testing.T, typ icmp.Type, code int, body icmp.MessageBody) []byte {
	t.Helper()
	b, err := (&icmp.Message{Type: typ, Code: code, Body: body}).Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// quote is an IP packet with the header of a request in it, as routers send back.
func quote(t *testing.T, r request) []byte {
	t.Helper()
	inner, err := r.marshal()
	if err != nil {
		t.Fatal(err)
	}
	header := make([]byte, 40)
	copy(header[24:], r.to.AsSlice())
	if r.to.Is4() {
		header = make([]byte, 24) // with one option
		header[0] = 0x46
		copy(header[16:], r.to.AsSlice())
	}
	return append(header, inner...)
}

func TestAnswered(t *testing.T) {
	there, router := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.1")
	r := request{family: four, to: there, id: 7, seq: 9, raw: true}
	other := r
	other.seq = 10
	r6 := request{family: six, to: netip.MustParseAddr("2001:db8::7"), id: 7, seq: 9, raw: true}
	datagram := r
	datagram.raw = false
	at := func(a netip.Addr) net.Addr { return &net.IPAddr{IP: a.AsSlice()} }
	for name, c := range map[string]struct {
		request request
		packet  []byte
		from    net.Addr
		done    bool
		err     string
	}{
		"the answer":           {r, packet(t, ipv4.ICMPTypeEchoReply, 0, &icmp.Echo{ID: 7, Seq: 9}), at(there), true, ""},
		"of another request":   {r, packet(t, ipv4.ICMPTypeEchoReply, 0, &icmp.Echo{ID: 7, Seq: 10}), at(there), false, ""},
		"of another process":   {r, packet(t, ipv4.ICMPTypeEchoReply, 0, &icmp.Echo{ID: 8, Seq: 9}), at(there), false, ""},
		"from somebody else":   {r, packet(t, ipv4.ICMPTypeEchoReply, 0, &icmp.Echo{ID: 7, Seq: 9}), at(router), false, ""},
		"the request itself":   {r, packet(t, ipv4.ICMPTypeEcho, 0, &icmp.Echo{ID: 7, Seq: 9}), at(there), false, ""},
		"the kernel's own id":  {datagram, packet(t, ipv4.ICMPTypeEchoReply, 0, &icmp.Echo{ID: 8, Seq: 9}), &net.UDPAddr{IP: there.AsSlice()}, true, ""},
		"not for us":           {r, packet(t, ipv4.ICMPTypeDestinationUnreachable, 1, &icmp.DstUnreach{Data: quote(t, other)}), at(router), false, ""},
		"host unreachable":     {r, packet(t, ipv4.ICMPTypeDestinationUnreachable, 1, &icmp.DstUnreach{Data: quote(t, r)}), at(router), true, "host unreachable, says 192.0.2.1"},
		"an odd code":          {r, packet(t, ipv4.ICMPTypeDestinationUnreachable, 12, &icmp.DstUnreach{Data: quote(t, r)}), at(router), true, "unreachable, says 192.0.2.1"},
		"a quote too short":    {r, packet(t, ipv4.ICMPTypeDestinationUnreachable, 1, &icmp.DstUnreach{Data: quote(t, r)[:26]}), at(router), false, ""},
		"IPv6: the answer":     {r6, packet(t, ipv6.ICMPTypeEchoReply, 0, &icmp.Echo{ID: 7, Seq: 9}), at(r6.to), true, ""},
		"IPv6: no route":       {r6, packet(t, ipv6.ICMPTypeDestinationUnreachable, 0, &icmp.DstUnreach{Data: quote(t, r6)}), at(router), true, "no route, says 192.0.2.1"},
		"garbage":              {r, []byte{0}, at(there), false, ""},
		"nothing in the quote": {r6, packet(t, ipv6.ICMPTypeDestinationUnreachable, 0, &icmp.DstUnreach{Data: []byte{0x60}}), at(router), false, ""},
	} {
		done, err := c.request.answered(c.packet, c.from)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if done != c.done || text != c.err {
			t.Errorf("%s: got %v %q, want %v %q", name, done, text, c.done, c.err)
		}
	}
}
