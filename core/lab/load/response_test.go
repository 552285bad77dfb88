package load

import (
	"strings"
	"testing"
)

func TestResponse(t *testing.T) {
	cases := []struct {
		name, text, node string
		closes           bool
		whole            bool // before the connection ends
		wholeAtEnd       bool
		bad              bool
	}{
		{name: "header names the node", text: "HTTP/1.1 200 OK\r\nX-Node: n1\r\nContent-Length: 3\r\n\r\nabc", node: "n1", whole: true, wholeAtEnd: true},
		{name: "first line names the node", text: "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nn2\nabc", node: "n2", whole: true, wholeAtEnd: true},
		{name: "empty body", text: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nx-node: n3\r\n\r\n", node: "n3", whole: true, wholeAtEnd: true},
		{name: "chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nn4\n\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n", node: "n4", whole: true, wholeAtEnd: true},
		{name: "until the end", text: "HTTP/1.0 200 OK\r\n\r\nn5\nrest", node: "n5", closes: true, wholeAtEnd: true},
		{name: "last answer", text: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", node: "x", closes: true, whole: true, wholeAtEnd: true},
		{name: "cut in the head", text: "HTTP/1.1 200 OK\r\nContent-Le"},
		{name: "cut in the body", text: "HTTP/1.1 200 OK\r\nX-Node: n1\r\nContent-Length: 30\r\n\r\nabc", node: "n1"},
		{name: "error status", text: "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", bad: true},
		{name: "not HTTP", text: "SSH-2.0-OpenSSH\r\n\r\n", bad: true},
		{name: "more than the answer", text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", node: "x", bad: true},
		{name: "negative length", text: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", bad: true},
		{name: "endless head", text: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", headLimit), bad: true},
	}
	for _, c := range cases {
		for _, piece := range []int{1, 7, len(c.text)} {
			r, err := feedPieces(c.text, piece)
			if (err != nil) != c.bad {
				t.Errorf("%s, %d bytes at a time: error %v", c.name, piece, err)
			}
			if err != nil {
				continue
			}
			if r.done != c.whole || r.name() != c.node || r.closes != c.closes {
				t.Errorf("%s, %d bytes at a time: whole %v, node %q, closes %v", c.name, piece, r.done, r.name(), r.closes)
			}
			if r.end() != c.wholeAtEnd {
				t.Errorf("%s, %d bytes at a time: whole at the end %v", c.name, piece, !c.wholeAtEnd)
			}
		}
	}
}

func feedPieces(text string, piece int) (*response, error) {
	r := &response{}
	for len(text) > 0 {
		n := min(piece, len(text))
		if err := r.feed([]byte(text[:n])); err != nil {
			return r, err
		}
		text = text[n:]
	}
	return r, nil
}
