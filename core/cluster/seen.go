package cluster

import "slices"

const (
	windowBits  = 8192 // frames that may overtake one another
	keptWindows = 4    // sessions of one sender that are remembered
)

// seen remembers which frames of one sender have arrived, so that a frame that
// was sent twice (Broadcast does) or recorded and played again is used once.
// The window is that of RFC 4303, section 3.4.3. What was recorded before this
// node started is not known to it: whoever carries orders that must not come
// twice puts something into the payload that grows old.
type seen struct {
	windows []*window // the latest session last
}

type window struct {
	session uint64
	last    uint64 // greatest number so far
	bits    [windowBits / 64]uint64
}

// first reports whether frame number of session has not been here yet.
func (s *seen) first(session, number uint64) bool {
	i := slices.IndexFunc(s.windows, func(w *window) bool { return w.session == session })
	if i < 0 {
		if len(s.windows) == keptWindows {
			s.windows = s.windows[1:]
		}
		s.windows = append(s.windows, &window{session: session})
		i = len(s.windows) - 1
	}
	return s.windows[i].first(number)
}

func (w *window) first(n uint64) bool {
	if n == 0 || n+windowBits <= w.last {
		return false // too old to tell
	}
	if n > w.last {
		for i := max(w.last+1, n-min(n, windowBits-1)); i < n; i++ {
			w.bits[i/64%uint64(len(w.bits))] &^= 1 << (i % 64)
		}
		w.last = n
		w.bits[n/64%uint64(len(w.bits))] |= 1 << (n % 64)
		return true
	}
	bit := uint64(1) << (n % 64)
	word := &w.bits[n/64%uint64(len(w.bits))]
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}
