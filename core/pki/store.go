package pki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Names of the files in the directory.
const (
	fileAuthority    = "authority.crt"
	fileAuthorityKey = "authority.key"
	fileNode         = "node.pem"
	fileKeys         = "keys.json"
	fileTokens       = "tokens.json"
)

// ErrMember says that the directory already holds the keys of a cluster.
var ErrMember = errors.New("this server already belongs to a cluster: orchestrator cluster status shows it, orchestrator cluster leave takes this server out of it")

// ErrNoCluster says that the directory holds no keys.
var ErrNoCluster = errors.New("this server belongs to no cluster yet: run 'cluster init' or 'cluster join'")

// Open reads what Create or Joiner.Accept wrote. It returns ErrNoCluster if
// there is nothing, and an error that names the file if one is damaged or does
// not fit the others.
func Open(dir string) (*Identity, error) {
	raw, err := os.ReadFile(filepath.Join(dir, fileKeys))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the cluster's keys in %s: %w", dir, ErrNoCluster)
	}
	if err != nil {
		return nil, fmt.Errorf("open the cluster's keys: %w", err)
	}
	id := &Identity{}
	if err := json.Unmarshal(raw, &id.Keys); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, fileKeys), err)
	}
	if err := id.Keys.check(); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, fileKeys), err)
	}
	if id.authority, id.authorityKey, err = readPair(dir, fileAuthority, fileAuthorityKey); err != nil {
		return nil, err
	}
	if id.cert, id.key, err = readPair(dir, fileNode, fileNode); err != nil {
		return nil, err
	}
	if err := id.complete(dir); err != nil {
		return nil, err
	}
	return id, nil
}

// complete checks that the certificate is the authority's and takes the node
// from it. Validity in time is left to TLS, so that a wrong clock does not keep
// a node from starting.
func (id *Identity) complete(dir string) error {
	where := filepath.Join(dir, fileNode)
	if err := id.cert.CheckSignatureFrom(id.authority); err != nil {
		return fmt.Errorf("check %s: it is not from this cluster's authority: %w", where, err)
	}
	number, err := nodeOf(id.cert, id.Keys.Cluster)
	if err != nil {
		return fmt.Errorf("check %s: %w", where, err)
	}
	id.Node = Node{Number: number, Name: id.cert.Subject.CommonName}
	for _, ip := range id.cert.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			id.Node.Addresses = append(id.Node.Addresses, a.Unmap())
		}
	}
	return nil
}

// Remove deletes the secrets of the cluster from dir: the last step of leaving
// it. Files of others stay.
func Remove(dir string) error {
	var errs []error
	for _, f := range []string{fileKeys, fileNode, fileAuthority, fileAuthorityKey, fileTokens} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove the cluster's keys: %w", err))
		}
	}
	return errors.Join(errs...)
}

// writeNew writes all files; keys.json last, as Open takes a directory without
// it for empty.
func (id *Identity) writeNew(dir string) error {
	keys := filepath.Join(dir, fileKeys)
	if _, err := os.Lstat(keys); err == nil {
		return fmt.Errorf("write the cluster's keys to %s: %w", dir, ErrMember)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the cluster's keys: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("protect the directory of the cluster's keys: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, fileTokens)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove join tokens of an earlier cluster: %w", err)
	}
	key, err := keyPEM(id.authorityKey)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, fileAuthorityKey), key); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, fileAuthority), certPEM(id.authority)); err != nil {
		return err
	}
	if err := id.writeNode(dir); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(id.Keys, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the cluster's keys: %w", err)
	}
	return writeFile(keys, raw)
}

// writeNode stores the node's certificate and key in one file, so that a crash
// leaves the old pair or the new one.
func (id *Identity) writeNode(dir string) error {
	key, err := keyPEM(id.key)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, fileNode), append(certPEM(id.cert), key...))
}

func readPair(dir, certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certPath, keyPath := filepath.Join(dir, certFile), filepath.Join(dir, keyFile)
	rawCert, err := os.ReadFile(certPath)
	if err != nil {
		return nil, nil, fmt.Errorf("open a certificate: %w", err)
	}
	cert, err := parseCert(rawCert)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", certPath, err)
	}
	rawKey, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, nil, fmt.Errorf("open a key: %w", err)
	}
	key, err := parseKey(rawKey)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", keyPath, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("check %s: it does not belong to %s", keyPath, certPath)
	}
	return cert, key, nil
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(k *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// block finds the first PEM block of a type.
func block(raw []byte, kind string) ([]byte, error) {
	for {
		b, rest := pem.Decode(raw)
		if b == nil {
			return nil, fmt.Errorf("no %s in PEM form", strings.ToLower(kind))
		}
		if b.Type == kind {
			return b.Bytes, nil
		}
		raw = rest
	}
}

func parseCert(raw []byte) (*x509.Certificate, error) {
	der, err := block(raw, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func parseKey(raw []byte) (*ecdsa.PrivateKey, error) {
	der, err := block(raw, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is %T, not an ECDSA key", k)
	}
	return key, nil
}

// Expires returns when this node's certificate ends; see Reissue.
func (id *Identity) Expires() time.Time { return id.cert.NotAfter }
