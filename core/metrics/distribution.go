package metrics

import (
	"slices"
	"sync"
)

// Distribution counts how often which size was seen. Its methods may be called at
// the same time.
type Distribution struct {
	bounds []float64 // upper ones, ascending

	mu     sync.Mutex
	counts []uint64 // by bound, not added up; the last one is above all bounds
	sum    float64
}

// NewDistribution makes one with buckets up to and including each of the bounds, which
// ascend, and one for all above.
func NewDistribution(bounds ...float64) *Distribution {
	return &Distribution{bounds: slices.Clone(bounds), counts: make([]uint64, len(bounds)+1)}
}

// Observe counts one size.
func (d *Distribution) Observe(v float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, _ := slices.BinarySearch(d.bounds, v)
	d.counts[at]++
	d.sum += v
}

// read tells how many were seen, their sum, and how many up to each bound.
func (d *Distribution) read() (count uint64, sum float64, upTo map[float64]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	upTo = make(map[float64]uint64, len(d.bounds))
	for i, bound := range d.bounds {
		count += d.counts[i]
		upTo[bound] = count
	}
	return count + d.counts[len(d.bounds)], d.sum, upTo
}
