package pki

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
)

// Sizes of the symmetric keys, in bytes.
const (
	GossipKeySize    = 32 // AES-256-GCM of the membership traffic
	HeartbeatKeySize = 32 // authentication of heartbeats
	HashKeySize      = 16 // key of the connection buckets (core/share)
)

// Keys are the cluster's name tag and its shared secrets. They are the same on
// all nodes and never change place with those of another cluster. Printing or
// logging Keys shows the cluster id only.
type Keys struct {
	Cluster   string `json:"cluster"` // random id, 32 hexadecimal digits
	Gossip    []byte `json:"gossip"`
	Heartbeat []byte `json:"heartbeat"`
	Hash      []byte `json:"hash"`
}

func newKeys() Keys {
	return Keys{
		Cluster:   hex.EncodeToString(random(16)),
		Gossip:    random(GossipKeySize),
		Heartbeat: random(HeartbeatKeySize),
		Hash:      random(HashKeySize),
	}
}

// random returns n unpredictable bytes. crypto/rand.Read does not fail: it ends
// the program rather than hand out weak keys.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (k Keys) check() error {
	if k.Cluster == "" {
		return errors.New("the cluster id is missing")
	}
	for _, c := range []struct {
		name string
		key  []byte
		size int
	}{
		{"gossip", k.Gossip, GossipKeySize},
		{"heartbeat", k.Heartbeat, HeartbeatKeySize},
		{"hash", k.Hash, HashKeySize},
	} {
		if len(c.key) != c.size {
			return fmt.Errorf("the %s key has %d bytes, not %d", c.name, len(c.key), c.size)
		}
	}
	return nil
}

// String names the cluster and hides the secrets.
func (k Keys) String() string { return "keys of cluster " + k.Cluster }

// GoString hides the secrets from %#v.
func (k Keys) GoString() string { return k.String() }

// LogValue hides the secrets from slog.
func (k Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }
