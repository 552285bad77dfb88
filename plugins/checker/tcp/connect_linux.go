package tcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// connect makes a connection and ends it with a reset. For addresses this does
// what net.Dialer does with half of its system calls, as nothing is ever
// sent; and a peer nearby has answered when connect(2) returns, so that nobody
// has to wait. Anything else is net.Dialer's.
func connect(ctx context.Context, host string, port int, deadline time.Time) error {
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return dial(ctx, host, port, deadline)
	}
	addr = addr.Unmap()
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: port, Addr: addr.As16()})
	if addr.Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: addr.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // only costs a TIME_WAIT if it fails
	err = unix.Connect(fd, to)
	if errors.Is(err, unix.EINPROGRESS) {
		if done, err := connected(fd); done {
			_ = unix.Close(fd) // nothing was sent that could be lost
			return err
		}
		return await(ctx, fd, deadline)
	}
	_ = unix.Close(fd)
	return os.NewSyscallError("connect", err)
}

// connected tells whether a connection attempt has ended, and how.
func connected(fd int) (bool, error) {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 0)
	if err != nil || n == 0 {
		return false, nil
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return true, os.NewSyscallError("getsockopt", err)
	}
	if code != 0 {
		return true, os.NewSyscallError("connect", unix.Errno(code))
	}
	return true, nil
}

// await waits for the end of an attempt in Go's poller, and closes the socket.
func await(ctx context.Context, fd int, deadline time.Time) error {
	f := os.NewFile(uintptr(fd), "tcp")
	defer func() { _ = f.Close() }()
	if err := f.SetDeadline(deadline); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetDeadline(time.Unix(1, 0)) })()
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = conn.Write(func(fd uintptr) (done bool) {
		done, result = connected(int(fd))
		return done
	})
	if err != nil && context.Cause(ctx) != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &net.OpError{Op: "dial", Net: "tcp", Err: context.Canceled}
	}
	if err != nil {
		return err
	}
	return result
}
