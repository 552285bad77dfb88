package heartbeat

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A packet, all numbers big-endian:
//
//	clear   0  2  magic "oh", or "on": the digest is a note, its key in the first 4 bytes
//	        2  1  version
//	        3  1  sender
//	        4  2  tag of the network
//	        6  2  salt of the sender's run
//	        8  8  incarnation
//	       16  8  sequence
//	sealed     1  flags
//	           1  number of networks n
//	           4  the sender's timeout, µs
//	           8  nodes that the sender hears on any network, bit 0 is node 1
//	        n*10  per network: tag (2), nodes that the sender hears there (8)
//	              digest, the rest
//	          16  AES-256-GCM tag over all of the above
//
// The AES key is derived per sender and incarnation (HKDF-SHA-256, RFC 5869),
// and the nonce is the header's network, salt and sequence, so that no nonce
// is used twice with one key (NIST SP 800-38D, 8.2.1).
const (
	keyLen      = 32
	headerLen   = 24
	fixedLen    = 14
	perNetwork  = 10
	maxPacket   = headerLen + fixedLen + MaxNetworks*perNetwork + MaxDigest + 16
	wireVersion = 1
	flagGoodbye = 1
)

// Why a packet is dropped. The loop counts them; nobody logs per packet.
var (
	errForeign = errors.New("not a packet of this cluster")
	errVersion = errors.New("another version of the protocol")
	errReplay  = errors.New("an earlier incarnation")
)

// heardOn is the set of nodes heard on one network.
type heardOn struct {
	tag   uint16
	nodes uint64
}

// packet is a beat in the clear. digest may point into a buffer that the next
// packet overwrites.
type packet struct {
	sender      core.NodeID
	incarnation uint64
	seq         uint64
	goodbye     bool
	timeout     time.Duration
	heard       uint64
	networks    int
	heardOn     [MaxNetworks]heardOn
	digest      []byte // or a note
	note        bool
	key         uint32 // of the note, when it was read
}

// heardByOn tells whether the sender hears the node on the network.
func (p *packet) heardByOn(node core.NodeID, tag uint16) bool {
	for i := range p.networks {
		if p.heardOn[i].tag == tag {
			return p.heardOn[i].nodes&bit(node) != 0
		}
	}
	return false
}

// bit is a node's place in a set of nodes.
func bit(n core.NodeID) uint64 { return 1 << (n - 1) }

// codec seals and opens packets without allocating, except when a peer shows a
// new incarnation. It is not safe for concurrent use.
type codec struct {
	key   []byte
	self  core.NodeID
	own   cipher.AEAD
	salt  uint16
	nonce [12]byte
	plain []byte
	peers [core.MaxNodes + 1]struct {
		incarnation uint64
		aead        cipher.AEAD
	}
}

func newCodec(key []byte, self core.NodeID, incarnation uint64) (*codec, error) {
	c := &codec{key: key, self: self, plain: make([]byte, 0, maxPacket)}
	var salt [2]byte
	rand.Read(salt[:])
	c.salt = binary.BigEndian.Uint16(salt[:])
	var err error
	c.own, err = c.derive(self, incarnation)
	return c, err
}

// derive makes the cipher of one run of one node.
func (c *codec) derive(node core.NodeID, incarnation uint64) (cipher.AEAD, error) {
	info := make([]byte, 0, 40)
	info = append(info, "orchestrator heartbeat "...)
	info = append(info, byte(node))
	info = binary.BigEndian.AppendUint64(info, incarnation)
	key, err := hkdf.Key(sha256.New, c.key, nil, string(info), keyLen)
	if err != nil {
		return nil, fmt.Errorf("derive heartbeat key of node %d: %w", node, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive heartbeat key of node %d: %w", node, err)
	}
	return cipher.NewGCM(block)
}

// seal appends p as this node's packet for a network to dst.
func (c *codec) seal(dst []byte, p *packet, tag uint16) []byte {
	at, kind := len(dst), byte('h')
	if p.note {
		kind = 'n'
	}
	dst = append(dst, 'o', kind, wireVersion, byte(c.self))
	dst = binary.BigEndian.AppendUint16(dst, tag)
	dst = binary.BigEndian.AppendUint16(dst, c.salt)
	dst = binary.BigEndian.AppendUint64(dst, p.incarnation)
	dst = binary.BigEndian.AppendUint64(dst, p.seq)

	var flags byte
	if p.goodbye {
		flags |= flagGoodbye
	}
	b := append(c.plain[:0], flags, byte(p.networks))
	b = binary.BigEndian.AppendUint32(b, uint32(p.timeout.Microseconds()))
	b = binary.BigEndian.AppendUint64(b, p.heard)
	for _, n := range p.heardOn[:p.networks] {
		b = binary.BigEndian.AppendUint16(b, n.tag)
		b = binary.BigEndian.AppendUint64(b, n.nodes)
	}
	c.plain = append(b, p.digest...)
	header := dst[at:]
	return c.own.Seal(dst, c.nonceOf(header), c.plain, header)
}

// nonceOf reads the nonce out of a header.
func (c *codec) nonceOf(header []byte) []byte {
	copy(c.nonce[:4], header[4:8])
	copy(c.nonce[4:], header[16:24])
	return c.nonce[:]
}

// open reads a packet that came in on a network into p. It fails with
// errForeign, errVersion or errReplay.
func (c *codec) open(b []byte, p *packet, tag uint16) error {
	if len(b) < headerLen+fixedLen+16 || b[0] != 'o' || b[1] != 'h' && b[1] != 'n' {
		return errForeign
	}
	if b[2] != wireVersion {
		return errVersion
	}
	sender := core.NodeID(b[3])
	if sender < 1 || sender > core.MaxNodes || sender == c.self || binary.BigEndian.Uint16(b[4:]) != tag {
		return errForeign
	}
	incarnation := binary.BigEndian.Uint64(b[8:])
	known := &c.peers[sender]
	aead := known.aead
	if incarnation < known.incarnation {
		return errReplay
	}
	if aead == nil || incarnation != known.incarnation {
		var err error
		if aead, err = c.derive(sender, incarnation); err != nil {
			return errForeign
		}
	}
	plain, err := aead.Open(c.plain[:0], c.nonceOf(b), b[headerLen:], b[:headerLen])
	if err != nil {
		return errForeign
	}
	known.incarnation, known.aead = incarnation, aead // only what proved to be genuine is remembered
	*p = packet{sender: sender, incarnation: incarnation, seq: binary.BigEndian.Uint64(b[16:]), note: b[1] == 'n'}
	return p.read(plain)
}

// read fills in the sealed part.
func (p *packet) read(b []byte) error {
	p.goodbye = b[0]&flagGoodbye != 0
	p.networks = int(b[1])
	if p.networks > MaxNetworks || len(b) < fixedLen+p.networks*perNetwork {
		return errForeign
	}
	p.timeout = min(time.Duration(binary.BigEndian.Uint32(b[2:]))*time.Microsecond, time.Minute)
	p.heard = binary.BigEndian.Uint64(b[6:])
	b = b[fixedLen:]
	for i := range p.networks {
		p.heardOn[i] = heardOn{binary.BigEndian.Uint16(b), binary.BigEndian.Uint64(b[2:])}
		b = b[perNetwork:]
	}
	p.digest = b
	if p.note {
		if len(b) < noteKeyLen {
			return errForeign
		}
		p.key, p.digest = binary.BigEndian.Uint32(b), b[noteKeyLen:]
	}
	return nil
}

// forget drops what is known of a node, so that another machine may come under
// its number.
func (c *codec) forget(node core.NodeID) {
	c.peers[node].incarnation, c.peers[node].aead = 0, nil
}
