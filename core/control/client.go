package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"unicode"
)

// Client speaks to the daemon of this node.
type Client struct {
	http   *http.Client
	socket string
}

// NewClient makes a client of the daemon that listens on a unix socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, socket: socket}
}

// ErrNoDaemon is wrapped by errors of calls that found no daemon.
var ErrNoDaemon = errors.New("the daemon is not running on this node")

// Get reads path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

// Post sends in as JSON (or as it is if it is []byte) and reads the answer into out.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, in, out)
}

// Delete removes what path names.
func (c *Client) Delete(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodDelete, path, nil, out)
}

// Raw reads path as bytes.
func (c *Client) Raw(ctx context.Context, path string) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// Log reads journal entries of this node until the query or ctx ends.
func (c *Client) Log(ctx context.Context, query url.Values, emit func(LogEntry) error) error {
	return c.LogOf(ctx, "", query, emit)
}

// LogOf reads journal entries of a node, this one if its name is empty.
func (c *Client) LogOf(ctx context.Context, node string, query url.Values, emit func(LogEntry) error) error {
	path := "/v1/log?"
	if node != "" {
		path = "/v1/nodes/" + url.PathEscape(node) + "/log?"
	}
	resp, err := c.do(ctx, http.MethodGet, path+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e LogEntry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return lines.Err()
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// do sends a request and turns an error answer into an error.
func (c *Client) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var payload io.Reader
	switch in := in.(type) {
	case nil:
	case []byte:
		payload = bytes.NewReader(in)
	default:
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://orchestrator"+path, payload)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if user := os.Getenv("SUDO_USER"); user != "" && strings.IndexFunc(user, unicode.IsControl) < 0 {
		req.Header.Set(userHeader, user)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refusal(resp)
}

// explain tells what to do when the daemon cannot be reached.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, nobodyListens):
		return fmt.Errorf("%w (nothing listens on %s); start it with: %s", ErrNoDaemon, c.socket, startDaemon)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission for %s: run the command as root", c.socket)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("ask the daemon: %w", err)
}

func refusal(resp *http.Response) error {
	kind := map[int]error{400: ErrInput, 403: ErrForbidden, 404: ErrNotFound, 409: ErrRefused, 502: ErrElsewhere}[resp.StatusCode]
	var f failure
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("the daemon answered %s", resp.Status)
	}
	return &Refusal{Kind: kind, Text: f.Error, Problems: f.Problems}
}
