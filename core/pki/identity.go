package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Fingerprint is the SHA-256 of a certificate. That of the authority tells clusters
// apart.
type Fingerprint [sha256.Size]byte

func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// Identity is what a node knows of its cluster's secrets: all of them.
type Identity struct {
	Keys Keys
	Node Node // as in the certificate

	authority    *x509.Certificate
	authorityKey *ecdsa.PrivateKey
	cert         *x509.Certificate
	key          *ecdsa.PrivateKey
}

// Create founds a cluster: it makes the authority, the keys and the certificate
// of the first node, and writes them to dir in one step. A dir that already
// holds a cluster's keys is left alone and ErrMember is returned.
func Create(dir string, first Node) (*Identity, error) {
	now := time.Now()
	id := &Identity{Keys: newKeys(), Node: first}
	var err error
	if id.authority, id.authorityKey, err = newAuthority(id.Keys.Cluster, now); err != nil {
		return nil, err
	}
	if err := id.issue(first, now); err != nil {
		return nil, err
	}
	if err := id.writeNew(dir); err != nil {
		return nil, err
	}
	return id, nil
}

// issue gives this node a new key and certificate.
func (id *Identity) issue(n Node, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key of node %s: %w", n.Name, err)
	}
	der, err := id.sign(n, key.Public(), now)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("read the certificate of node %s back: %w", n.Name, err)
	}
	id.Node, id.key, id.cert = n, key, cert
	return nil
}

// Reissue makes and stores a new certificate if n differs from what the present
// one says (an address changed) or less than a third of its life is left. It
// reports whether it did; id itself stays as it was, and the new identity is
// returned.
func (id *Identity) Reissue(dir string, n Node) (*Identity, bool, error) {
	now := time.Now()
	if describes(id.cert, id.Keys.Cluster, n) && id.cert.NotAfter.Sub(now) > nodeLife/3 {
		return id, false, nil
	}
	next := *id
	if err := next.issue(n, now); err != nil {
		return nil, false, err
	}
	if err := next.writeNode(dir); err != nil {
		return nil, false, err
	}
	return &next, true, nil
}

// Fingerprint returns the fingerprint of the cluster's authority.
func (id *Identity) Fingerprint() Fingerprint { return sha256.Sum256(id.authority.Raw) }

// CertificateFingerprint returns the fingerprint of this node's certificate, which
// browsers show.
func (id *Identity) CertificateFingerprint() Fingerprint { return sha256.Sum256(id.cert.Raw) }

// AuthorityPEM returns the authority's certificate, e.g. for the trust store of
// an administrator's browser. It is not secret.
func (id *Identity) AuthorityPEM() []byte { return certPEM(id.authority) }

// ServerTLS is for this node's API: TLS 1.3 only. Clients may, but need not,
// show a certificate of the cluster; whether one did, PeerNode tells.
func (id *Identity) ServerTLS() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{id.certificate()},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    id.pool(),
	}
}

// ClientTLS is for calls to the API of the node called name: only that node is
// accepted, and this one identifies itself.
func (id *Identity) ClientTLS(name string) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		ServerName:   name,
		RootCAs:      id.pool(),
		Certificates: []tls.Certificate{id.certificate()},
	}
}

// PeerNode tells which node of the cluster is at the other end of a connection
// that was made with ServerTLS or ClientTLS. It fails if the peer showed no
// certificate of the cluster.
func (id *Identity) PeerNode(s tls.ConnectionState) (core.NodeID, error) {
	if len(s.VerifiedChains) == 0 || len(s.VerifiedChains[0]) == 0 {
		return 0, fmt.Errorf("identify the caller: it showed no certificate of cluster %s", id.Keys.Cluster)
	}
	return nodeOf(s.VerifiedChains[0][0], id.Keys.Cluster)
}

func (id *Identity) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(id.authority)
	return p
}

// certificate carries the authority too, so that a joining node, which knows
// only a fingerprint, can see it.
func (id *Identity) certificate() tls.Certificate {
	return tls.Certificate{
		Certificate: [][]byte{id.cert.Raw, id.authority.Raw},
		PrivateKey:  id.key,
		Leaf:        id.cert,
	}
}
