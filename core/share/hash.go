package share

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Buckets is the number of buckets of a group. A power of two, so that the
// kernel masks instead of dividing.
const Buckets = 4096

// Key is the cluster's secret hash key, so that nobody outside can craft
// clients that all fall into one bucket.
type Key [16]byte

// Function is how clients are turned into buckets. It is one for the cluster: nodes
// that used different ones would own the same client twice, or not at all.
type Function string

const (
	// Keyed mixes all bits under the secret key; see Bucket.
	Keyed Function = "keyed"
	// LowBits takes the lowest 12 bits of the port, or of the address where the
	// rule shares by address alone. It spreads worse, and who knows it can choose
	// his node; it is for clusters with nodes whose filter compares bits only.
	LowBits Function = "low_bits"
)

// Bucket maps a client to its bucket, 0 to Buckets-1, as Bucket does for Keyed.
func (f Function) Bucket(k Key, client netip.Addr, port uint16) uint16 {
	if f != LowBits {
		return Bucket(k, client, port)
	}
	if port != 0 {
		return port % Buckets
	}
	a := client.As16() // the lowest 12 bits are the same in both families
	return binary.BigEndian.Uint16(a[14:]) % Buckets
}

// comparedBits is how many low bits a filter compares that can do no more.
const comparedBits = 6

// Class is what decides a bucket's owner: buckets of the same class always have
// the same one. With LowBits it is what the plainest filter can see of a bucket.
func (f Function) Class(bucket int) int {
	if f != LowBits {
		return bucket
	}
	return bucket & (1<<comparedBits - 1)
}

// Bucket maps a client to its bucket, 0 to Buckets-1. port is 0 where the rule
// shares by address alone.
//
// The function is SipHash with one compression and three finalization rounds
// (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; 1-3 is what
// Linux, Rust and Python use for hash tables). The message is one 64-bit word
// for IPv4 (address in the upper half, port in the lower), three for IPv6 (upper
// and lower half of the address, port), read as big-endian numbers. As the
// number of words follows from the address family, the family is mixed into
// the initial state instead of a length word. The kernel program computes the
// same.
func Bucket(k Key, client netip.Addr, port uint16) uint16 {
	k0, k1 := binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
	s := sip{
		k0 ^ 0x736f6d6570736575,
		k1 ^ 0x646f72616e646f6d,
		k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573,
	}
	if client.Is4() || client.Is4In6() {
		a := client.As4()
		s[1] ^= 4
		s.word(uint64(binary.BigEndian.Uint32(a[:]))<<32 | uint64(port))
	} else {
		a := client.As16()
		s[1] ^= 6
		s.word(binary.BigEndian.Uint64(a[:8]))
		s.word(binary.BigEndian.Uint64(a[8:]))
		s.word(uint64(port))
	}
	s[2] ^= 0xff
	s.round()
	s.round()
	s.round()
	return uint16((s[0] ^ s[1] ^ s[2] ^ s[3]) & (Buckets - 1))
}

// sip is the state of SipHash.
type sip [4]uint64

func (s *sip) word(m uint64) {
	s[3] ^= m
	s.round()
	s[0] ^= m
}

func (s *sip) round() {
	s[0] += s[1]
	s[1] = bits.RotateLeft64(s[1], 13) ^ s[0]
	s[0] = bits.RotateLeft64(s[0], 32)
	s[2] += s[3]
	s[3] = bits.RotateLeft64(s[3], 16) ^ s[2]
	s[0] += s[3]
	s[3] = bits.RotateLeft64(s[3], 21) ^ s[0]
	s[2] += s[1]
	s[1] = bits.RotateLeft64(s[1], 17) ^ s[2]
	s[2] = bits.RotateLeft64(s[2], 32)
}
