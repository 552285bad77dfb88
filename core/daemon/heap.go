package daemon

// ballastSize is how much larger than it is the heap is made to look.
const ballastSize = 24 << 20

// ballast makes garbage collections rare. To begin one stops all of this program's threads for
// a moment, also that of the heartbeat: on a machine that is short of processors the moment lasts until
// whoever stopped the others gets one again, a good part of a lease. A collection is due when the heap has
// doubled, which a small one does many times a second while modules start. The ballast is never touched, so
// it takes addresses, but no memory. The caller keeps it.
func ballast() []byte { return make([]byte, ballastSize) }
