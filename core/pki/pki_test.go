package pki

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

var first = Node{Number: 1, Name: "web1", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}}

func create(t *testing.T) (*Identity, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cluster")
	id, err := Create(dir, first)
	if err != nil {
		t.Fatal(err)
	}
	return id, dir
}

// shake runs a handshake and one echoed byte; it returns both sides' views.
func shake(t *testing.T, server, client *tls.Config) (s, c tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan error, 1)
	sc := tls.Server(a, server)
	go func() {
		err := sc.Handshake()
		if err == nil {
			_, err = sc.Write([]byte{1})
		}
		if err != nil {
			a.Close()
		}
		done <- err
	}()
	cc := tls.Client(b, client)
	clientErr = cc.Handshake()
	if clientErr == nil {
		_, clientErr = cc.Read(make([]byte, 1))
	}
	b.Close()
	serverErr = <-done
	return sc.ConnectionState(), cc.ConnectionState(), serverErr, clientErr
}

func TestCreateAndOpen(t *testing.T) {
	id, dir := create(t)
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Keys.Cluster != id.Keys.Cluster || again.Fingerprint() != id.Fingerprint() {
		t.Error("opened another cluster than was created")
	}
	if again.Node.Number != 1 || again.Node.Name != "web1" || len(again.Node.Addresses) != 2 {
		t.Errorf("node read back as %+v", again.Node)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4 {
		t.Errorf("%d files, want 4: %v", len(entries), entries)
	}
	for _, e := range entries {
		info, _ := e.Info()
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	info, _ := os.Stat(dir)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v", info.Mode())
	}
	if _, err := Create(dir, first); !errors.Is(err, ErrMember) {
		t.Errorf("a second Create: %v", err)
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrNoCluster) {
		t.Errorf("Open after Remove: %v", err)
	}
}

func TestOpenNamesTheDamagedFile(t *testing.T) {
	for _, f := range []string{fileKeys, fileAuthority, fileAuthorityKey, fileNode} {
		_, dir := create(t)
		if err := os.WriteFile(filepath.Join(dir, f), []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), f) {
			t.Errorf("%s damaged: %v", f, err)
		}
	}
	_, dir := create(t)
	_, other := create(t)
	raw, _ := os.ReadFile(filepath.Join(other, fileNode))
	os.WriteFile(filepath.Join(dir, fileNode), raw, 0o600)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "authority") {
		t.Errorf("node certificate of another cluster: %v", err)
	}
}

func TestKeysHideThemselves(t *testing.T) {
	id, _ := create(t)
	secret := fmt.Sprint(id.Keys.Hash)
	for _, text := range []string{fmt.Sprint(id.Keys), fmt.Sprintf("%+v", id.Keys), fmt.Sprintf("%#v", id.Keys), id.Keys.LogValue().String()} {
		if strings.Contains(text, secret) || !strings.Contains(text, id.Keys.Cluster) {
			t.Errorf("printed as %s", text)
		}
	}
}

func TestMutualTLS(t *testing.T) {
	id, _ := create(t)
	s, c, serr, cerr := shake(t, id.ServerTLS(), id.ClientTLS("web1"))
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	for _, state := range []tls.ConnectionState{s, c} {
		if n, err := id.PeerNode(state); err != nil || n != 1 {
			t.Errorf("PeerNode = %d, %v", n, err)
		}
	}
	if _, _, _, err := shake(t, id.ServerTLS(), id.ClientTLS("web2")); err == nil {
		t.Error("web1 was accepted as web2")
	}
	other, _ := create(t)
	if _, _, serr, _ := shake(t, id.ServerTLS(), &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert := other.certificate()
			return &cert, nil
		},
	}); serr == nil {
		t.Error("a client certificate of another cluster was accepted")
	}
	s, _, serr, cerr = shake(t, id.ServerTLS(), &tls.Config{RootCAs: id.pool(), ServerName: "10.0.0.1"})
	if serr != nil || cerr != nil {
		t.Fatal("a browser without certificate:", serr, cerr)
	}
	if _, err := id.PeerNode(s); err == nil {
		t.Error("a client without certificate was taken for a node")
	}
}

func TestReissue(t *testing.T) {
	id, dir := create(t)
	if _, did, err := id.Reissue(dir, first); did || err != nil {
		t.Fatal(did, err)
	}
	moved := Node{Number: 1, Name: "web1", Addresses: []netip.Addr{netip.MustParseAddr("10.9.9.9")}}
	next, did, err := id.Reissue(dir, moved)
	if !did || err != nil {
		t.Fatal(did, err)
	}
	if _, _, serr, cerr := shake(t, next.ServerTLS(), id.ClientTLS("10.9.9.9")); serr != nil || cerr != nil {
		t.Error(serr, cerr)
	}
	if again, err := Open(dir); err != nil || !again.cert.Equal(next.cert) {
		t.Errorf("not stored: %v", err)
	}
}

// join runs the whole protocol over TLS, with JSON in between as HTTP would.
func join(t *testing.T, member *Identity, tokens *Tokens, token, name, version string, enroll Enroll) (*Identity, error) {
	t.Helper()
	j, err := NewJoiner(token, name, map[string]netip.Addr{"lan": netip.MustParseAddr("10.0.0.2")}, version)
	if err != nil {
		return nil, err
	}
	if _, _, _, err := shake(t, member.ServerTLS(), j.TLS()); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(j.Request())
	if err != nil {
		t.Fatal(err)
	}
	var request JoinRequest
	if err := json.Unmarshal(raw, &request); err != nil {
		t.Fatal(err)
	}
	reply, err := member.Admit(tokens, request, "0.1.0", enroll)
	if err != nil {
		return nil, err
	}
	if raw, err = json.Marshal(reply); err != nil {
		t.Fatal(err)
	}
	var got JoinReply
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	return j.Accept(filepath.Join(t.TempDir(), "cluster"), got)
}

func enrollAs(n core.NodeID) Enroll {
	return func(JoinRequest) (core.NodeID, json.RawMessage, error) { return n, json.RawMessage(`{}`), nil }
}

func TestJoin(t *testing.T) {
	member, dir := create(t)
	tokens, err := member.OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := tokens.Issue(0)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := join(t, member, tokens, token, "web2", "v0.1.7", enrollAs(2))
	if err != nil {
		t.Fatal(err)
	}
	if joined.Node.Number != 2 || joined.Keys.Cluster != member.Keys.Cluster || string(joined.Keys.Gossip) != string(member.Keys.Gossip) {
		t.Errorf("joined as %+v", joined.Node)
	}
	s, c, serr, cerr := shake(t, joined.ServerTLS(), member.ClientTLS("web2"))
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	caller, _ := joined.PeerNode(s)
	called, _ := member.PeerNode(c)
	if caller != 1 || called != 2 {
		t.Errorf("node %d called node %d", caller, called)
	}
	if _, err := joined.sign(Node{Number: 3, Name: "web3"}, joined.key.Public(), joined.cert.NotBefore); err != nil {
		t.Errorf("the joined node cannot admit others: %v", err)
	}
	if _, err := join(t, member, tokens, token, "web3", "0.1.0", enrollAs(3)); !errors.Is(err, &JoinError{Code: CodeTokenUsed}) {
		t.Errorf("second use: %v", err)
	}
}

func TestJoinRefusals(t *testing.T) {
	member, dir := create(t)
	other, otherDir := create(t)
	tokens, _ := member.OpenTokens(dir)
	foreign, _ := other.OpenTokens(otherDir)
	token, _, _ := tokens.Issue(0)
	foreignToken, _, _ := foreign.Issue(0)

	called := false
	never := func(JoinRequest) (core.NodeID, json.RawMessage, error) { called = true; return 0, nil, nil }
	if _, err := join(t, member, tokens, foreignToken, "web2", "0.1.0", never); !errors.Is(err, &JoinError{Code: CodeWrongCluster}) {
		t.Errorf("wrong cluster: %v", err)
	}
	_, err := join(t, member, tokens, token, "web2", "0.2.0", never)
	if !errors.Is(err, &JoinError{Code: CodeVersion}) || !strings.Contains(err.Error(), "0.2.0") {
		t.Errorf("version: %v", err)
	}
	if called {
		t.Error("the configuration was touched for a refused join")
	}
	taken := func(JoinRequest) (core.NodeID, json.RawMessage, error) { return 0, nil, ErrNameTaken }
	if _, err := join(t, member, tokens, token, "web1", "0.1.0", taken); !errors.Is(err, &JoinError{Code: CodeNameTaken}) {
		t.Errorf("name taken: %v", err)
	}
	if _, err := join(t, member, tokens, token, "web 2", "0.1.0", never); err == nil {
		t.Error("a name with a blank was accepted")
	}
	if _, err := join(t, member, tokens, token, "web2", "0.1.0", enrollAs(2)); err != nil {
		t.Errorf("the refused joins spoilt the token: %v", err)
	}
}
