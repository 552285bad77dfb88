package sdktest

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Connect serves plugins in this process and returns the host's side of the
// connection. It is closed when the test ends.
func Connect(t testing.TB, plugins ...sdk.Plugin) *sdk.Client {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	if err := sdk.Register(server, plugins...); err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
	})
	c, err := sdk.NewClient(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
