package tcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

func listen(t testing.TB) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

func config(port int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"addr":"127.0.0.1","port":%d,"timeout":"20s"}`, port))
}

func TestConformance(t *testing.T) {
	_, port := listen(t)
	sdktest.Run(t, New(), sdktest.Options{
		Settings: config(port),
		Invalid: []json.RawMessage{
			[]byte(`{"addr":"a"}`), []byte(`{"port":80}`), []byte(`{"addr":"a","port":0}`),
			[]byte(`{"addr":"a","port":70000}`), []byte(`{"addr":"","port":1}`),
			[]byte(`{"addr":"a","port":80,"timeout":"soon"}`), []byte(`{"addr":"a","port":80,"tiemout":"1s"}`),
		},
	})
}

// Any duration that the SDK writes is read again.
func TestSchemaTakesDurations(t *testing.T) {
	_, port := listen(t)
	for _, d := range []time.Duration{90 * time.Second, 2 * time.Minute, 1500 * time.Millisecond, 5 * time.Second} {
		b, err := json.Marshal(map[string]any{"addr": "127.0.0.1", "port": port, "timeout": sdk.Duration(d)})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(d.String(), func(t *testing.T) { sdktest.Run(t, New(), sdktest.Options{Settings: b}) })
	}
}

func TestUpThenRefused(t *testing.T) {
	l, port := listen(t)
	if r := New().Check(t.Context(), config(port)); r.Status != sdk.StatusUp || r.Reason != "" {
		t.Fatalf("with a listener: %+v", r)
	}
	_ = l.Close()
	r := New().Check(t.Context(), config(port))
	want := fmt.Sprintf("connect 127.0.0.1:%d: connection refused", port)
	if r.Status != sdk.StatusDown || r.Reason != want {
		t.Fatalf("without a listener: %+v, want down, %q", r, want)
	}
}

// Names go another way than addresses, to the same end.
func TestNames(t *testing.T) {
	l, port := listen(t)
	s := json.RawMessage(fmt.Sprintf(`{"addr":"localhost","port":%d}`, port))
	if r := New().Check(t.Context(), s); r.Status != sdk.StatusUp {
		t.Errorf("with a listener: %+v", r)
	}
	_ = l.Close()
	if r := New().Check(t.Context(), s); r.Status != sdk.StatusDown || !strings.HasSuffix(r.Reason, ": connection refused") {
		t.Errorf("without a listener: %+v", r)
	}
}

// A full accept queue answers nothing: the check ends at its own timeout.
func TestNoAnswer(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := sa.(*syscall.SockaddrInet4).Port
	var r sdk.Result
	for range 8 { // the first ones fill the queue
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 50*time.Millisecond)
		if err == nil {
			defer func() { _ = conn.Close() }()
		}
	}
	r = New().Check(t.Context(), json.RawMessage(fmt.Sprintf(`{"addr":"127.0.0.1","port":%d,"timeout":"100ms"}`, port)))
	if r.Status != sdk.StatusDown || !strings.HasSuffix(r.Reason, "no answer within 100ms") {
		t.Fatalf("got %+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	r = New().Check(ctx, json.RawMessage(fmt.Sprintf(`{"addr":"127.0.0.1","port":%d,"timeout":"60s"}`, port)))
	if r.Status != sdk.StatusUnknown || !strings.HasSuffix(r.Reason, "the check was cancelled") {
		t.Fatalf("cancelled: %+v", r)
	}
}
