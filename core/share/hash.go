package share

import (
	"crypto/sha256"
	"encoding/binary"
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
// shares by address alone; it may be another 16 bits that count, as the
// identification of an IPv4 packet. The kernel program computes the same.
//
// The message is one 64-bit word for IPv4 (address, then port, in the lower 48
// bits), three for IPv6 (upper and lower half of the address, port), read as
// big-endian numbers. Each word is added to the state, which is multiplied by a
// secret odd number and folded (its upper half exclusive-ored into the lower); after a last
// such step the bucket is the top 12 bits of the product with another secret odd number.
//
// Nobody without the key can choose clients that meet in a bucket: all steps
// before the last product are one-to-one for words that differ in one place, and for
// any two different inputs of a product with a random odd number the top bits
// are equal with a probability of at most 2/4096 (Dietzfelbinger, Hagerup,
// Katajainen and Penttonen, "A reliable randomized algorithm for the closest-pair
// problem", 1997). It is not a pseudo-random function as SipHash is, and need not be: a
// bucket is no list that grows longer, so the worst that can be done is to send
// much to one node. Who sees which node answers can do that by trying, with any
// hash, at the price of as many tries as there are nodes. SipHash-1-3 is some 130
// instructions of the kernel's virtual machine, which cannot rotate; this is fifteen,
// and spreads as evenly (TestBucketIsEvenAndKeyed).
func Bucket(k Key, client netip.Addr, port uint16) uint16 {
	return k.Mixer().Bucket(client, port)
}

// Bucket is the function Bucket for one key.
func (m Mixer) Bucket(client netip.Addr, port uint16) uint16 {
	h := m[0]
	if client.Is4() || client.Is4In6() {
		a := client.As4()
		h = m.step(h, uint64(binary.BigEndian.Uint32(a[:]))<<16|uint64(port))
	} else {
		a := client.As16()
		h = m.step(h, binary.BigEndian.Uint64(a[:8]))
		h = m.step(h, binary.BigEndian.Uint64(a[8:]))
		h = m.step(h, uint64(port))
	}
	h *= m[1]
	h ^= h >> 29
	return uint16(h * m[2] >> 52)
}

// Mixer is a key as the hash uses it: the first state, the factor of each
// step, and that of the last; both factors are odd.
type Mixer [3]uint64

// Mixer derives the numbers from the key with SHA-256, so that each is as good as
// random though the key has fewer bits than all three.
func (k Key) Mixer() Mixer {
	sum := sha256.Sum256(k[:])
	return Mixer{
		binary.LittleEndian.Uint64(sum[0:]),
		binary.LittleEndian.Uint64(sum[8:]) | 1,
		binary.LittleEndian.Uint64(sum[16:]) | 1,
	}
}

func (m Mixer) step(h, word uint64) uint64 {
	h = (h + word) * m[1]
	return h ^ h>>32
}
