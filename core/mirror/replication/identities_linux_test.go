package replication

import (
	"encoding/json"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"crypto/tls"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror/link"
	"github.com/orchestrator-ha/orchestrator/core/pki"
)

// identities are those of nodes n1 and n2 of one cluster.
func identities(t testing.TB) [2]link.Identity {
	t.Helper()
	here := netip.MustParseAddr("127.0.0.1")
	dir := filepath.Join(t.TempDir(), "cluster")
	one, err := pki.Create(dir, pki.Node{Number: 1, Name: "n1", Addresses: []netip.Addr{here}})
	must(t, err)
	tokens, err := one.OpenTokens(dir)
	must(t, err)
	token, _, err := tokens.Issue(0)
	must(t, err)
	joiner, err := pki.NewJoiner(token, "n2", map[string]netip.Addr{"lan": here}, "0.1.0")
	must(t, err)
	near, far := net.Pipe()
	go func() { _ = tls.Server(far, one.ServerTLS()).Handshake() }()
	must(t, tls.Client(near, joiner.TLS()).Handshake())
	reply, err := one.Admit(tokens, joiner.Request(), "0.1.0", func(pki.JoinRequest) (core.NodeID, json.RawMessage, error) { return 2, json.RawMessage(`{}`), nil })
	must(t, err)
	two, err := joiner.Accept(filepath.Join(t.TempDir(), "cluster"), reply)
	must(t, err)
	return [2]link.Identity{one, two}
}
