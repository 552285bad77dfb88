package load

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets of 1/32 of a power of two of
// microseconds, so that any number of them takes the same room.
type histogram struct {
	counts [64 * 32]int64
	total  int64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(uint64(max(d, 0)/time.Microsecond))]++
	h.total++
	h.max = max(h.max, d)
}

func bucket(us uint64) int {
	if us < 64 {
		return int(us)
	}
	shift := bits.Len64(us) - 6 // leaves 32 to 63
	return shift*32 + int(us>>shift)
}

// upper is the largest duration of a bucket.
func upper(index int) time.Duration {
	if index < 64 {
		return time.Duration(index) * time.Microsecond
	}
	shift := index/32 - 1
	return time.Duration(uint64(index%32+33)<<shift-1) * time.Microsecond
}

func (h *histogram) quantile(q float64) float64 {
	rank := int64(q * float64(h.total))
	for index, count := range h.counts {
		if rank -= count; rank < 0 {
			return ms(min(upper(index), h.max))
		}
	}
	return ms(h.max)
}

func (h *histogram) latency() Latency {
	return Latency{P50: h.quantile(0.5), P90: h.quantile(0.9), P99: h.quantile(0.99), Max: ms(h.max)}
}
