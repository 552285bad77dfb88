package vip

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A flood of frames does not keep the question whether an address is free from ending:
// the clock is looked at after so many, even if there are more.
func TestProbeEndsInAFlood(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0]) //nolint:errcheck // the test is over
	defer unix.Close(fds[1]) //nolint:errcheck // the test is over
	frame := make([]byte, 60)
	for range receiveLimit + 20 {
		if err := unix.Send(fds[0], frame, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := (&prober{}).receive(fds[1], nil); err != nil {
		t.Fatal(err)
	}
	left := 0
	for ; ; left++ {
		if _, _, err := unix.Recvfrom(fds[1], frame, 0); err != nil {
			break
		}
	}
	if left != 20 {
		t.Errorf("%d frames are left of %d", left, receiveLimit+20)
	}
}
