package dns

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

var types = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "CNAME": dnsmessage.TypeCNAME, "MX": dnsmessage.TypeMX, "NS": dnsmessage.TypeNS,
	"PTR": dnsmessage.TypePTR, "SOA": dnsmessage.TypeSOA, "SRV": dnsmessage.TypeSRV, "TXT": dnsmessage.TypeTXT,
}

// text is what a record says; names in it are without the last dot.
func text(body dnsmessage.ResourceBody) string {
	plain := func(n dnsmessage.Name) string { return strings.TrimSuffix(n.String(), ".") }
	switch r := body.(type) {
	case *dnsmessage.AResource:
		return netip.AddrFrom4(r.A).String()
	case *dnsmessage.AAAAResource:
		return netip.AddrFrom16(r.AAAA).String()
	case *dnsmessage.CNAMEResource:
		return plain(r.CNAME)
	case *dnsmessage.MXResource:
		return fmt.Sprintf("%d %s", r.Pref, plain(r.MX))
	case *dnsmessage.NSResource:
		return plain(r.NS)
	case *dnsmessage.PTRResource:
		return plain(r.PTR)
	case *dnsmessage.SOAResource:
		return fmt.Sprintf("%s %s %d", plain(r.NS), plain(r.MBox), r.Serial)
	case *dnsmessage.SRVResource:
		return fmt.Sprintf("%d %d %d %s", r.Priority, r.Weight, r.Port, plain(r.Target))
	case *dnsmessage.TXTResource:
		return strings.Join(r.TXT, "")
	}
	return ""
}

// pack makes the packet of the question.
func (q *question) pack() (err error) {
	q.id = uint16(rand.Uint32())
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id, RecursionDesired: true},
		Questions: []dnsmessage.Question{q.ask},
	}
	q.packet, err = m.Pack()
	return err
}

// send asks over UDP, and over TCP if the answer was cut off.
func (q question) send(ctx context.Context, deadline time.Time) (dnsmessage.Message, error) {
	answer, err := q.exchange(ctx, "udp", deadline)
	if err == nil && answer.Truncated {
		answer, err = q.exchange(ctx, "tcp", deadline)
	}
	return answer, err
}

func (q question) exchange(ctx context.Context, network string, deadline time.Time) (dnsmessage.Message, error) {
	conn, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, network, q.server.String())
	if err != nil {
		return dnsmessage.Message{}, err
	}
	defer func() { _ = conn.Close() }() // nothing is kept in it
	if err := conn.SetDeadline(deadline); err != nil {
		return dnsmessage.Message{}, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	packet := q.packet
	if network == "tcp" {
		packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
	}
	if _, err := conn.Write(packet); err != nil {
		return dnsmessage.Message{}, err
	}
	for {
		raw, err := receive(conn, network)
		if err != nil {
			return dnsmessage.Message{}, err
		}
		if m, ok := q.answer(raw); ok {
			return m, nil
		}
	}
}

// receive reads one message; over TCP its length stands before it (RFC 1035,
// 4.2.2).
func receive(conn net.Conn, network string) ([]byte, error) {
	if network == "udp" {
		buffer := make([]byte, 65535)
		n, err := conn.Read(buffer)
		return buffer[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	buffer := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, buffer)
	return buffer, err
}

// answer says whether a message is the answer, and not a late one to another
// question or somebody's invention.
func (q question) answer(raw []byte) (dnsmessage.Message, bool) {
	var p dnsmessage.Parser
	head, err := p.Start(raw)
	if err != nil || head.ID != q.id || !head.Response {
		return dnsmessage.Message{}, false
	}
	m := dnsmessage.Message{Header: head}
	if m.Questions, err = p.AllQuestions(); err != nil {
		return m, false
	}
	if len(m.Questions) > 0 && !same(m.Questions[0], q.ask) {
		return m, false
	}
	if head.Truncated {
		return m, true
	}
	m.Answers, err = p.AllAnswers()
	return m, err == nil
}

// same compares questions; of names the case does not matter (RFC 4343).
func same(a, b dnsmessage.Question) bool {
	return a.Type == b.Type && a.Class == b.Class && strings.EqualFold(a.Name.String(), b.Name.String())
}
