package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

const (
	authorityLife = 50 * 365 * 24 * time.Hour
	nodeLife      = 5 * 365 * 24 * time.Hour
	// clockSkew is how far a node's clock may lag behind the one that signed.
	clockSkew = 24 * time.Hour
	uriScheme = "orchestrator"
)

// Node is whom a certificate is for.
type Node struct {
	Number    core.NodeID
	Name      string
	Addresses []netip.Addr
}

var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// CheckName says what is wrong with a node's name: certificates, logs and the
// command line all need it to be plain.
func CheckName(name string) error {
	if !nodeName.MatchString(name) {
		return fmt.Errorf("node name %q: use 1 to 63 letters, digits, '-', '_' or '.', beginning with a letter or digit", name)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("node name %q looks like an address: give the server a name", name)
	}
	return nil
}

// newAuthority makes the cluster's authority. P-256 because browsers, which
// open the console with the same certificates, do not take Ed25519.
func newAuthority(cluster string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the authority's key: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "orchestrator cluster " + cluster},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the authority's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority's certificate back: %w", err)
	}
	return cert, key, nil
}

// sign issues a certificate for client and server use. The node's number is in
// a URI name, where PeerNode finds it.
func (id *Identity) sign(n Node, public any, now time.Time) ([]byte, error) {
	if err := CheckName(n.Name); err != nil {
		return nil, err
	}
	if n.Number == 0 || n.Number > core.MaxNodes {
		return nil, fmt.Errorf("node number %d is outside 1 to %d", n.Number, core.MaxNodes)
	}
	t := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: n.Name},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(nodeLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{n.Name},
		URIs:         []*url.URL{nodeURI(id.Keys.Cluster, n.Number)},
	}
	if n.Name != "localhost" {
		t.DNSNames = append(t.DNSNames, "localhost")
	}
	for _, a := range n.Addresses {
		t.IPAddresses = append(t.IPAddresses, net.IP(a.Unmap().AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, id.authority, public, id.authorityKey)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of node %s: %w", n.Name, err)
	}
	return der, nil
}

func serial() *big.Int { return new(big.Int).SetBytes(random(16)) }

func nodeURI(cluster string, n core.NodeID) *url.URL {
	return &url.URL{Scheme: uriScheme, Host: cluster, Path: "/node/" + strconv.Itoa(int(n))}
}

// nodeOf reads the node's number from a certificate of this cluster.
func nodeOf(cert *x509.Certificate, cluster string) (core.NodeID, error) {
	for _, u := range cert.URIs {
		text, ok := strings.CutPrefix(u.Path, "/node/")
		if u.Scheme != uriScheme || u.Host != cluster || !ok {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 8)
		if err == nil && n >= 1 && n <= core.MaxNodes {
			return core.NodeID(n), nil
		}
	}
	return 0, fmt.Errorf("the certificate of %q names no node of cluster %s", cert.Subject.CommonName, cluster)
}

// describes reports whether cert is for exactly n.
func describes(cert *x509.Certificate, cluster string, n Node) bool {
	number, err := nodeOf(cert, cluster)
	if err != nil || number != n.Number || cert.Subject.CommonName != n.Name {
		return false
	}
	var have, want []netip.Addr
	for _, ip := range cert.IPAddresses {
		a, _ := netip.AddrFromSlice(ip)
		have = append(have, a.Unmap())
	}
	for _, a := range n.Addresses {
		want = append(want, a.Unmap())
	}
	slices.SortFunc(have, netip.Addr.Compare)
	slices.SortFunc(want, netip.Addr.Compare)
	return slices.Equal(slices.Compact(have), slices.Compact(want))
}

// verify checks that cert was issued by authority and is in its time.
func verify(cert, authority *x509.Certificate, use x509.ExtKeyUsage, now time.Time) error {
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	_, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use}})
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return fmt.Errorf("the certificate of %q is valid from %s to %s and it is now %s: check the clocks of both servers: %w",
			cert.Subject.CommonName, cert.NotBefore.Format(time.RFC3339), cert.NotAfter.Format(time.RFC3339), now.Format(time.RFC3339), err)
	}
	return err
}
