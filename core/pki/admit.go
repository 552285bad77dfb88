package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Enroll puts a new node into the cluster document and returns its number and
// the document. It returns ErrNameTaken if a member is called so already; any
// other error is passed on.
type Enroll func(JoinRequest) (core.NodeID, json.RawMessage, error)

// ErrNameTaken is Enroll's answer to a name that a member already has.
var ErrNameTaken = errors.New("the name is taken")

// Admit is the member's side of a join. It checks the request, uses the token
// up, calls enroll and signs the new node's certificate. What is wrong with
// the request is a *JoinError; the token then stays good, unless it is itself
// what is wrong. version is that of this node's program.
func (id *Identity) Admit(tokens *Tokens, r JoinRequest, version string, enroll Enroll) (JoinReply, error) {
	public, err := r.check(version)
	if err != nil {
		return JoinReply{}, err
	}
	if err := tokens.Redeem(r.Secret); err != nil {
		return JoinReply{}, err
	}
	reply, err := id.enroll(r, public, enroll)
	if err != nil {
		return JoinReply{}, errors.Join(err, tokens.Restore(r.Secret))
	}
	return reply, nil
}

func (id *Identity) enroll(r JoinRequest, public *ecdsa.PublicKey, enroll Enroll) (JoinReply, error) {
	number, config, err := enroll(r)
	if errors.Is(err, ErrNameTaken) {
		return JoinReply{}, joinError(CodeNameTaken, "a node called %s is already in the cluster: give this one another name with --name, or take the old one out first, if it is gone: orchestrator cluster remove %s", r.Name, r.Name)
	}
	if err != nil {
		return JoinReply{}, fmt.Errorf("add node %s to the cluster: %w", r.Name, err)
	}
	n := Node{Number: number, Name: r.Name}
	for _, a := range r.Addresses {
		n.Addresses = append(n.Addresses, a)
	}
	der, err := id.sign(n, public, time.Now())
	if err != nil {
		return JoinReply{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return JoinReply{}, fmt.Errorf("read the certificate of node %s back: %w", r.Name, err)
	}
	key, err := keyPEM(id.authorityKey)
	if err != nil {
		return JoinReply{}, err
	}
	return JoinReply{
		Node: number, Authority: certPEM(id.authority), AuthorityKey: key,
		Certificate: certPEM(cert), Keys: id.Keys, Config: config,
	}, nil
}

func (r JoinRequest) check(version string) (*ecdsa.PublicKey, error) {
	if release(r.Version) != release(version) {
		return nil, joinError(CodeVersion, "the new node runs version %s, the cluster %s: install the same version on both", r.Version, version)
	}
	if err := CheckName(r.Name); err != nil {
		return nil, joinError(CodeBadRequest, "%v", err)
	}
	if len(r.Addresses) == 0 {
		return nil, joinError(CodeBadRequest, "node %s named no address", r.Name)
	}
	for network, a := range r.Addresses {
		if a == (netip.Addr{}) || a.IsUnspecified() || a.IsMulticast() {
			return nil, joinError(CodeBadRequest, "node %s cannot have the address %q on network %s", r.Name, a, network)
		}
	}
	k, err := x509.ParsePKIXPublicKey(r.PublicKey)
	if err != nil {
		return nil, joinError(CodeBadRequest, "the public key of node %s cannot be read: %v", r.Name, err)
	}
	public, ok := k.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, joinError(CodeBadRequest, "the public key of node %s is not of the kind P-256", r.Name)
	}
	return public, nil
}

// release cuts a version to major.minor: nodes that differ only after that
// understand each other.
func release(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
