package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// JoinCode tells the reasons for which a join is refused apart.
type JoinCode string

const (
	CodeTokenUnknown JoinCode = "token-unknown"
	CodeTokenUsed    JoinCode = "token-used"
	CodeTokenExpired JoinCode = "token-expired"
	CodeWrongCluster JoinCode = "wrong-cluster"
	CodeNameTaken    JoinCode = "name-taken"
	CodeVersion      JoinCode = "version-mismatch"
	CodeBadRequest   JoinCode = "bad-request"
)

// JoinError is a refused join. The member sends it as JSON, the joining node
// shows Text to the person who typed the command.
type JoinError struct {
	Code JoinCode `json:"code"`
	Text string   `json:"text"`
}

func (e *JoinError) Error() string { return e.Text }

// Is makes errors.Is(err, &JoinError{Code: c}) ask for the code alone.
func (e *JoinError) Is(target error) bool {
	t, ok := target.(*JoinError)
	return ok && t.Code == e.Code && t.Text == ""
}

func joinError(code JoinCode, format string, args ...any) *JoinError {
	return &JoinError{Code: code, Text: fmt.Sprintf(format, args...)}
}

// JoinRequest is what a new node posts to a member.
type JoinRequest struct {
	Secret    []byte                `json:"secret"`
	Name      string                `json:"name"`
	Addresses map[string]netip.Addr `json:"addresses"`  // by network
	PublicKey []byte                `json:"public_key"` // PKIX, ASN.1 DER; the private key never travels
	Version   string                `json:"version"`    // of the program
	Hashes    []string              `json:"hashes"`     // functions that the node's packet filter can evaluate
}

// JoinReply is the answer to an admitted node.
type JoinReply struct {
	Node         core.NodeID     `json:"node"`
	Authority    []byte          `json:"authority"`     // certificate, PEM
	AuthorityKey []byte          `json:"authority_key"` // PEM
	Certificate  []byte          `json:"certificate"`   // the new node's, PEM
	Keys         Keys            `json:"keys"`
	Config       json.RawMessage `json:"config"` // the cluster document, with the new node in it
}

// Joiner is the new node's side of a join.
type Joiner struct {
	token   Token
	request JoinRequest
	key     *ecdsa.PrivateKey
	now     func() time.Time
}

// NewJoiner prepares a join: name and addresses are the new node's own, version
// is that of its program, hashes are the functions that its packet filter knows.
func NewJoiner(token, name string, addresses map[string]netip.Addr, version string, hashes ...string) (*Joiner, error) {
	t, err := ParseToken(token)
	if err != nil {
		return nil, err
	}
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("prepare the join: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("prepare the join: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("prepare the join: %w", err)
	}
	return &Joiner{
		token: t,
		key:   key,
		now:   time.Now,
		request: JoinRequest{
			Secret: t.Secret, Name: name, Addresses: addresses, PublicKey: public, Version: version, Hashes: hashes,
		},
	}, nil
}

// Request is what to post, over a connection made with TLS and no other.
func (j *Joiner) Request() JoinRequest { return j.request }

// TLS accepts a server only if its certificate comes from the authority whose
// fingerprint is in the token, whatever the server is called. A handshake with
// another cluster fails with a *JoinError of CodeWrongCluster before the secret
// is sent.
func (j *Joiner) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection does it, from the fingerprint
		VerifyConnection:   j.verify,
	}
}

func (j *Joiner) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return joinError(CodeWrongCluster, "the server showed no certificate")
	}
	for _, c := range s.PeerCertificates[1:] {
		if sha256.Sum256(c.Raw) != j.token.Authority {
			continue
		}
		if err := verify(s.PeerCertificates[0], c, x509.ExtKeyUsageServerAuth, j.now()); err != nil {
			return fmt.Errorf("check the member's certificate: %w", err)
		}
		return nil
	}
	return joinError(CodeWrongCluster, "the server belongs to another cluster than the one that issued this join token: check the address, or make the token there")
}

// Accept checks a reply against the token and the request, and writes the new
// node's secrets to dir. It returns ErrMember if dir already holds a cluster's.
func (j *Joiner) Accept(dir string, r JoinReply) (*Identity, error) {
	id := &Identity{Keys: r.Keys, key: j.key}
	var err error
	if err = r.Keys.check(); err != nil {
		return nil, fmt.Errorf("check the member's answer: %w", err)
	}
	if id.authority, err = parseCert(r.Authority); err != nil {
		return nil, fmt.Errorf("check the member's answer: the authority: %w", err)
	}
	if id.Fingerprint() != j.token.Authority {
		return nil, joinError(CodeWrongCluster, "the member answered with the keys of another cluster than the one that issued this join token")
	}
	if id.authorityKey, err = parseKey(r.AuthorityKey); err != nil {
		return nil, fmt.Errorf("check the member's answer: the authority's key: %w", err)
	}
	if id.cert, err = parseCert(r.Certificate); err != nil {
		return nil, fmt.Errorf("check the member's answer: the certificate: %w", err)
	}
	if !id.authorityKey.PublicKey.Equal(id.authority.PublicKey) || !j.key.PublicKey.Equal(id.cert.PublicKey) {
		return nil, errors.New("check the member's answer: keys and certificates do not belong together")
	}
	if err := id.complete("the answer"); err != nil {
		return nil, err
	}
	if id.Node.Name != j.request.Name || id.Node.Number != r.Node {
		return nil, fmt.Errorf("check the member's answer: the certificate is for %s, number %d, not for %s, number %d", id.Node.Name, id.Node.Number, j.request.Name, r.Node)
	}
	if err := id.writeNew(dir); err != nil {
		return nil, err
	}
	return id, nil
}
