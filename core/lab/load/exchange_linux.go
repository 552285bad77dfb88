package load

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// exchange is one connection: its socket and the request that is under way.
type exchange struct {
	fd        int
	connected bool
	busy      bool // a request is under way, the connection's making included
	asked     time.Duration
	answer    response
	number    int64 // of the datagram under way
	replied   bool  // by UDP: the first answer is there

	seq     int64    // of an attempt
	session *session // nil for an attempt
}

// ready does what the socket lets it do. finished means that an answer is
// whole; ended that the connection is no more.
func (x *exchange) ready(request, buffer []byte) (finished, ended bool, err error) {
	if !x.connected {
		code, err := unix.GetsockoptInt(x.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if err != nil {
			return false, true, err
		}
		if !writable(x.fd) {
			return false, false, nil
		}
		x.connected = true
		if err := x.ask(request); err != nil {
			return false, true, err
		}
	}
	for {
		n, err := unix.Read(x.fd, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return x.answer.done, false, nil
		case err != nil:
			return false, true, err
		case n == 0:
			return x.answer.end(), true, nil
		}
		if err := x.answer.feed(buffer[:n]); err != nil {
			return false, true, err
		}
		if x.answer.done && x.session == nil {
			return true, false, nil // nobody minds what follows
		}
	}
}

// writable says whether a connection is made: an event of another kind may come
// first.
func writable(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n == 1
}

// ask writes a request; it is small, so a socket without one under way takes it
// whole.
func (x *exchange) ask(request []byte) error {
	n, err := unix.Write(x.fd, request)
	if err != nil {
		return err
	}
	if n < len(request) {
		return unix.ENOBUFS
	}
	return nil
}
