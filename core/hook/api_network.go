package hook

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// defaultHTTPTimeout and defaultDialTimeout hold where a hook names none.
const (
	defaultHTTPTimeout = 10 * time.Second
	defaultDialTimeout = 5 * time.Second
)

func networkFunctions() []Function {
	addr := Param{"address", "string", `host and port: "127.0.0.1:80", "[::1]:80"`, false}
	return []Function{
		{
			Name: "http", Since: "0.1", call: (*call).http,
			Doc:     "Sends an HTTP request and returns the answer, whatever its status. Redirections are followed. Raises an error if there is no answer, or not the expected one.",
			Params:  []Param{{"request", "Request", "", false}},
			Returns: []Param{{"response", "Response", "", false}},
			Example: "http { url = \"http://127.0.0.1/health\", timeout = \"2s\", expect = 200 }",
		},
		{
			Name: "tcp.check", Since: "0.1", call: (*call).tcpCheck,
			Doc:     "Tries once to connect to an address.",
			Params:  []Param{addr, {"options", "TcpOptions", "", true}},
			Returns: []Param{{"ok", "boolean", "", false}, {"reason", "string", "why not", true}},
			Example: "local ok, why = tcp.check(\"127.0.0.1:5432\", { timeout = \"1s\" })",
		},
		{
			Name: "tcp.wait", Since: "0.1", call: (*call).tcpWait,
			Doc:     "Waits until an address accepts connections. Raises an error with the last reason if it does not in time.",
			Params:  []Param{addr, {"options", "TcpOptions", "", true}},
			Example: "tcp.wait(\"127.0.0.1:80\", { timeout = \"30s\" })",
		},
	}
}

func (c *call) http(l *lua.LState) int {
	o := c.options(l, 1, "http", "Request")
	body, method := o.str("body", ""), http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	limit := o.duration("timeout", defaultHTTPTimeout)
	url := o.str("url", "")
	ctx, cancel := c.limited("http "+url, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, o.str("method", method), url, strings.NewReader(body))
	if err != nil || req.URL.Host == "" || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		o.raise("url: %q is no URL; write url = \"http://HOST:PORT/PATH\"", url)
	}
	want, insecure := o.statuses("expect"), o.flag("insecure")
	for k, v := range o.stringMap("headers") {
		if strings.EqualFold(k, "Host") {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	res, err := await(ctx, func(context.Context) (answer, error) { return send(req, insecure) })
	if err != nil {
		o.raise("%s: %s", url, err)
	}
	if want != nil && !slices.Contains(want, res.status) {
		o.raise("%s: status %d, expected %s", url, res.status, strings.Trim(fmt.Sprint(want), "[]"))
	}
	l.Push(c.result(l, "Response", res.values(l)))
	return 1
}

// answer is an HTTP answer, read to its end.
type answer struct {
	status  int
	body    string
	headers http.Header
}

// send sends a request on a connection of its own, without a proxy: hooks talk
// to the application beside them.
func send(req *http.Request, insecure bool) (answer, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: insecure}, // asked for by the hook
	}}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCapture))
	return answer{resp.StatusCode, string(body), resp.Header}, err
}

func (a answer) values(l *lua.LState) map[string]lua.LValue {
	headers := l.NewTable()
	for k, v := range a.headers {
		headers.RawSetString(strings.ToLower(k), lua.LString(strings.Join(v, ", ")))
	}
	return map[string]lua.LValue{"status": lua.LNumber(a.status), "body": lua.LString(a.body), "headers": headers}
}

// statuses reads one status code or a list of them.
func (o options) statuses(key string) []int {
	t, isList := o.table.RawGetString(key).(*lua.LTable)
	if !isList {
		if o.table.RawGetString(key) == lua.LNil {
			return nil
		}
		return []int{o.integer(key, 0)}
	}
	var list []int
	for i := 1; i <= t.Len(); i++ {
		n, ok := t.RawGetInt(i).(lua.LNumber)
		if !ok {
			o.raise("%s: expected numbers, as in %s = { 200, 204 }", key, key)
		}
		list = append(list, int(n))
	}
	return list
}

// address checks the first argument of the tcp functions.
func address(l *lua.LState, who string) string {
	addr := l.CheckString(1)
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		l.RaiseError("%s: %q is no address; write \"HOST:PORT\" or \"[IPV6]:PORT\"", who, addr)
	}
	return addr
}

// dial connects once and hangs up.
func dial(ctx context.Context, addr string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	conn.Close()
	return nil
}

func (c *call) tcpCheck(l *lua.LState) int {
	addr := address(l, "tcp.check")
	o := c.options(l, 2, "tcp.check", "TcpOptions")
	ctx, cancel := c.limited("tcp.check "+addr, o.duration("timeout", defaultDialTimeout))
	defer cancel()
	if err := dial(ctx, addr); err != nil {
		l.Push(lua.LFalse)
		l.Push(lua.LString(err.Error()))
		return 2
	}
	l.Push(lua.LTrue)
	return 1
}

func (c *call) tcpWait(l *lua.LState) int {
	addr := address(l, "tcp.wait")
	o := c.options(l, 2, "tcp.wait", "TcpOptions")
	every := o.duration("every", 200*time.Millisecond)
	ctx, cancel := c.limited("tcp.wait "+addr, o.duration("timeout", 0))
	defer cancel()
	var last error
	for {
		one, done := context.WithTimeout(ctx, defaultDialTimeout)
		err := dial(one, addr)
		done()
		if err == nil {
			return 0
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if pause(ctx, every) != nil {
			l.RaiseError("%s: last attempt: %s", context.Cause(ctx).Error(), last.Error())
		}
	}
}

// pause waits, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
