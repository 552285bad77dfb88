package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// startWeb serves on a loopback port. The function ends it, and answers how it
// ended.
func startWeb(t *testing.T, node string) (string, func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- newWeb(node).serve(ctx, l) }()
	return l.Addr().String(), func() error { cancel(); return <-served }
}

// get asks on a connection of its own and leaves that open.
func get(t *testing.T, c net.Conn, r *bufio.Reader, path string) (*http.Response, string) {
	t.Helper()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestWebTellsWhoAnswered(t *testing.T) {
	address, end := startWeb(t, "n<1>")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for _, path := range []string{"/", "/slow?ms=1", "/health", "/"} { // all on one connection
		resp, body := get(t, c, r, path)
		if resp.StatusCode != 200 || resp.Header.Get("X-Node") != "n<1>" || resp.Close || strings.Contains(body, "n<1>") && path == "/" {
			t.Errorf("%s: %s %v close=%t\n%s", path, resp.Status, resp.Header, resp.Close, body)
		}
	}
	if resp, _ := get(t, c, r, "/slow?ms=-1"); resp.StatusCode != 400 {
		t.Errorf("negative time: %s", resp.Status)
	}
	if resp, body := get(t, c, r, "/tile?1"); !resp.Close || !strings.Contains(body, "n&lt;1&gt;") {
		t.Errorf("a tile keeps its connection (%v), or does not tell the node: %s", resp.Header, body)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// A client with a connection is told before the connection ends.
func TestWebEndsInOrder(t *testing.T) {
	address, end := startWeb(t, "n1")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	get(t, c, r, "/health")
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	for {
		resp, _ := get(t, c, r, "/health") // fails when the server has just hung up
		if resp.Close {
			break
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the connection did not end: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
