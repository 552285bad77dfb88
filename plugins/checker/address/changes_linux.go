package address

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// changes tells, until ctx ends, that an interface or an address of the machine
// changed. Nothing of the messages is read: what is true now is asked for in any
// case, so that one that was lost does not matter.
func changes(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("listen for changes of the network: %w", err)
	}
	groups := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR}
	if err := unix.Bind(fd, groups); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen for changes of the network: %w", err)
	}
	news := make(chan struct{}, 1)
	f := os.NewFile(uintptr(fd), "rtnetlink")
	context.AfterFunc(ctx, func() { _ = f.Close() })
	go func() {
		buffer := make([]byte, 8192)
		for {
			// ENOBUFS: there were more than the socket holds
			if _, err := f.Read(buffer); err != nil && !errors.Is(err, unix.ENOBUFS) {
				return // closed
			}
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}()
	return news, nil
}
