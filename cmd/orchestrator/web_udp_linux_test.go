package main

import (
	"net"
	"testing"
	"time"
)

// Answers come from the address that was asked, by both families: a connected
// socket takes no others.
func TestEchoAnswersFromTheAddressThatWasAsked(t *testing.T) {
	free, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	end, err := echo(free.Addr().String(), "web1")
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"127.0.0.1", "127.0.0.5", "::1"} {
		conn, err := net.Dial("udp", net.JoinHostPort(server, port))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		request := make([]byte, 5000)
		request[0] = 'x'
		buffer := make([]byte, 1<<16)
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buffer)
		if err != nil || n != len(request)+5 || string(buffer[:6]) != "web1\nx" {
			t.Errorf("%s: %d bytes, %v", server, n, err)
		}
	}
}
