package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// Remote speaks to the owner of a lab through its control socket.
type Remote struct {
	place place
	http  *http.Client
}

// Connect prepares to speak to a lab; empty strings mean the defaults. Whether
// it runs is known by the first question.
func Connect(root, name string) (*Remote, error) {
	if err := available(); err != nil {
		return nil, err
	}
	p, err := placeOf(root, name)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", p.control())
		},
	}
	return &Remote{place: p, http: &http.Client{Transport: transport}}, nil
}

// ErrNotRunning says that no process owns the lab.
var ErrNotRunning = errNotRunning

// Status asks how the lab is; ErrNotRunning when there is none.
func (r *Remote) Status(ctx context.Context) (Status, error) {
	return r.ask(ctx, http.MethodGet, "/status", nil)
}

// Do makes a fault happen, as Lab.Do does, and answers how the lab is then.
func (r *Remote) Do(ctx context.Context, f Fault) (Status, error) {
	return r.ask(ctx, http.MethodPost, "/fault", f)
}

func (r *Remote) ask(ctx context.Context, method, path string, body any) (Status, error) {
	var s Status
	text, err := json.Marshal(body)
	if err != nil {
		return s, fmt.Errorf("write a request to lab %s: %w", r.place.name, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, bytes.NewReader(text))
	if err != nil {
		return s, fmt.Errorf("write a request to lab %s: %w", r.place.name, err)
	}
	resp, err := r.http.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return s, fmt.Errorf("lab %s %w", r.place.name, ErrNotRunning)
	}
	if err != nil {
		return s, fmt.Errorf("ask lab %s: %w", r.place.name, err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return s, fmt.Errorf("read the answer of lab %s: %w", r.place.name, err)
	}
	if resp.StatusCode >= 300 {
		return s, errors.New(strings.TrimSpace(string(text)))
	}
	if len(text) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read the answer of lab %s: %w", r.place.name, err)
	}
	return s, nil
}
