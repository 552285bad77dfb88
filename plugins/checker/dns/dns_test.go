package dns

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

var (
	www  = dnsmessage.MustNewName("www.example.")
	mail = dnsmessage.MustNewName("mail.example.")
)

// zone is what the test's server knows.
var zone = map[string][]dnsmessage.ResourceBody{
	"www.example. A":      {&dnsmessage.AResource{A: [4]byte{192, 0, 2, 9}}, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}},
	"www.example. AAAA":   {&dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 7}}},
	"alias.example. A":    {&dnsmessage.CNAMEResource{CNAME: www}, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}},
	"example. MX":         {&dnsmessage.MXResource{Pref: 10, MX: mail}},
	"example. NS":         {&dnsmessage.NSResource{NS: www}},
	"example. SOA":        {&dnsmessage.SOAResource{NS: www, MBox: mail, Serial: 2026}},
	"example. SRV":        {&dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 443, Target: www}},
	"example. TXT":        {&dnsmessage.TXTResource{TXT: []string{"v=", "1"}}},
	"long.example. TXT":   {&dnsmessage.TXTResource{TXT: []string{"over tcp"}}},
	"www.example. CNAME":  {&dnsmessage.CNAMEResource{CNAME: mail}},
	"7.example. PTR":      {&dnsmessage.PTRResource{PTR: www}},
	"empty.example. A":    {},
	"silent.example. A":   nil,
	"refused.example. A":  {},
	"confused.example. A": {&dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}},
}

func typeOf(t *testing.T, b dnsmessage.ResourceBody) dnsmessage.Type {
	t.Helper()
	for _, known := range types {
		if fmt.Sprintf("*dnsmessage.%sResource", strings.TrimPrefix(known.String(), "Type")) == fmt.Sprintf("%T", b) {
			return known
		}
	}
	t.Fatalf("no type for %T", b)
	return 0
}

// replies answers a question with the packets to send.
func replies(t *testing.T, raw []byte, tcp bool) [][]byte {
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil || len(m.Questions) != 1 {
		t.Errorf("the server got %x: %v", raw, err)
		return nil
	}
	q := m.Questions[0]
	key := q.Name.String() + " " + strings.TrimPrefix(q.Type.String(), "Type")
	known, ok := zone[key]
	if ok && known == nil {
		return nil
	}
	m.Response = true
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	if strings.HasPrefix(key, "refused") {
		m.RCode = dnsmessage.RCodeRefused
	}
	m.Truncated = strings.HasPrefix(key, "long") && !tcp
	for _, b := range known {
		if !m.Truncated {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: typeOf(t, b), Class: q.Class, TTL: 60}, Body: b})
		}
	}
	pack := func(m dnsmessage.Message) []byte {
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return b
	}
	if strings.HasPrefix(key, "confused") { // what is not the answer comes before it
		late, wrong := m, m
		late.ID++
		wrong.Questions = []dnsmessage.Question{{Name: www, Type: q.Type, Class: q.Class}}
		wrong.RCode, late.RCode = dnsmessage.RCodeRefused, dnsmessage.RCodeRefused
		return [][]byte{{1, 2}, pack(late), pack(wrong), pack(m)}
	}
	return [][]byte{pack(m)}
}

// serve answers over UDP and TCP on one port.
func serve(t *testing.T) int {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	port := tcp.Addr().(*net.TCPAddr).Port
	udp, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, r := range replies(t, buffer[:n], false) {
				_, _ = udp.WriteTo(r, from)
			}
		}
	}()
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			if raw, err := receive(conn, "tcp"); err == nil {
				for _, r := range replies(t, raw, true) {
					_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...))
				}
			}
			_ = conn.Close()
		}
	}()
	return port
}

func TestConformance(t *testing.T) {
	sdktest.Run(t, New(), sdktest.Options{
		Settings: []byte(fmt.Sprintf(`{"server":"127.0.0.1","port":%d,"name":"www.example","timeout":"2s"}`, serve(t))),
		Invalid: []json.RawMessage{
			[]byte(`{"server":"::1"}`), []byte(`{"name":"a"}`), []byte(`{"server":"::1","name":""}`), []byte(`{"server":"::1","name":"a","port":0}`),
			[]byte(`{"server":"::1","name":"a","type":"ANY"}`), []byte(`{"server":"::1","name":"a","answre":"x"}`),
		},
	})
}

func TestAnswers(t *testing.T) {
	port := serve(t)
	at := fmt.Sprintf("127.0.0.1:%d", port)
	for _, c := range []struct {
		name, kind, answer string
		status             sdk.Status
		says               string
	}{
		{"www.example", "A", "", sdk.StatusUp, "192.0.2.7, 192.0.2.9"},
		{"WWW.example.", "A", `^192\.0\.2\.9$`, sdk.StatusDown, ": there is no such name (NXDOMAIN)"}, // the server is a simple one
		{"www.example.", "A", `^192\.0\.2\.9$`, sdk.StatusUp, "192.0.2.7, 192.0.2.9"},
		{"www.example", "A", "^10[.]", sdk.StatusDown, `: answered 192.0.2.7, 192.0.2.9, none of which matches "^10[.]"`},
		{"www.example", "AAAA", "", sdk.StatusUp, "2001:db8::7"},
		{"alias.example", "A", "", sdk.StatusUp, "192.0.2.7"},
		{"example", "MX", "", sdk.StatusUp, "10 mail.example"},
		{"example", "NS", "", sdk.StatusUp, "www.example"},
		{"example", "SOA", "", sdk.StatusUp, "www.example mail.example 2026"},
		{"example", "SRV", "", sdk.StatusUp, "1 2 443 www.example"},
		{"example", "TXT", "", sdk.StatusUp, "v=1"},
		{"www.example", "CNAME", "", sdk.StatusUp, "mail.example"},
		{"7.example", "PTR", "", sdk.StatusUp, "www.example"},
		{"long.example", "TXT", "", sdk.StatusUp, "over tcp"},
		{"confused.example", "A", "", sdk.StatusUp, "192.0.2.1"},
		{"empty.example", "A", "", sdk.StatusDown, ": the name has no such record"},
		{"refused.example", "A", "", sdk.StatusDown, ": it refuses to answer"},
		{"nowhere.example", "A", "", sdk.StatusDown, ": there is no such name (NXDOMAIN)"},
		{"a..example", "A", "", sdk.StatusUnknown, `: "a..example" cannot be a name`},
		{"www.example", "A", "(", sdk.StatusUnknown, ": error parsing regexp: missing closing ): `(`"},
	} {
		raw, err := json.Marshal(map[string]any{"server": "127.0.0.1", "port": port, "name": c.name, "type": c.kind, "answer": c.answer, "timeout": "20s"})
		if err != nil {
			t.Fatal(err)
		}
		r := New().Check(t.Context(), raw)
		says := strings.TrimPrefix(r.Reason, "ask "+at+" for "+c.kind+" "+c.name) + r.Detail
		if r.Status != c.status || says != c.says {
			t.Errorf("%s %s %q: got %s %q, want %s %q", c.kind, c.name, c.answer, r.Status, says, c.status, c.says)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	ask := func(ctx context.Context, port int, timeout string) sdk.Result {
		return New().Check(ctx, json.RawMessage(fmt.Sprintf(`{"server":"127.0.0.1","port":%d,"name":"silent.example","timeout":%q}`, port, timeout)))
	}
	port := serve(t)
	want := fmt.Sprintf("ask 127.0.0.1:%d for A silent.example: no answer within 50ms", port)
	if r := ask(t.Context(), port, "50ms"); r.Status != sdk.StatusDown || r.Reason != want {
		t.Errorf("got %+v, want down %q", r, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if r := ask(ctx, port, "60s"); r.Status != sdk.StatusUnknown || !strings.HasSuffix(r.Reason, ": the check was cancelled") {
		t.Errorf("cancelled: %+v", r)
	}
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.LocalAddr().(*net.UDPAddr).Port
	_ = l.Close()
	if r := ask(t.Context(), closed, "20s"); r.Status != sdk.StatusDown || !strings.HasSuffix(r.Reason, ": connection refused") {
		t.Errorf("nobody there: %+v", r)
	}
}
