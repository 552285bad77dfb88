package load

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// reply takes an answer by UDP apart: who gave it, and the number of the request
// in it. good says that the request came back unharmed.
func (c Config) reply(b []byte) (node string, number int64, good bool) {
	name, request, _ := bytes.Cut(b, []byte("\n"))
	digits, _, _ := bytes.Cut(request, []byte("\n"))
	number, err := strconv.ParseInt(string(digits), 10, 64)
	return string(name), number, err == nil && bytes.Equal(request, c.datagram(number))
}

// receive reads what has come on a socket for datagrams. The socket of an attempt
// stays open until its time-out, so that an answer too many is seen.
func (l *loop) receive(x *exchange) {
	for x.fd >= 0 {
		n, err := unix.Read(x.fd, l.buffer)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil: // an ICMP error about an earlier datagram (udp(7))
			l.lost(x, causeOf(err))
		default:
			l.replied(x, l.buffer[:n])
		}
	}
}

func (l *loop) replied(x *exchange, b []byte) {
	now := l.now()
	node, number, good := l.cfg.reply(b)
	switch {
	case !good || number > x.number:
		l.lost(x, BadAnswer)
	case number < x.number, x.replied, x.session != nil && !x.busy:
		first := x.answer.node
		if x.session != nil {
			first = x.session.node
		}
		l.count.double(now, first, node)
	default:
		x.answer = response{node: node}
		if x.session != nil {
			l.answered(x.session, now)
			return
		}
		x.replied = true
		l.count.success(node, now-x.asked)
	}
}

// lost gives up an exchange, unless it has its answer already.
func (l *loop) lost(x *exchange, why Cause) {
	switch {
	case x.session != nil:
		l.endSession(x.session, l.now(), why)
	case !x.replied:
		l.flying--
		l.drop(x)
		l.count.failure(x.seq, x.asked, why)
	}
}
