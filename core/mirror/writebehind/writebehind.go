// Package writebehind begins to write long runs of data to the disk while more of them comes.
// Without it the disk rests while a large file goes through two daemons and a network, and all
// of the file is written while somebody waits for its fsync, on both sides.
//
// It promises nothing to anybody: only a sync makes data durable, and tells of errors.
package writebehind

// Writes smaller than large are not counted: those of databases come again to the same places,
// and what is written to the disk each time would be written too often.
const (
	large   = 64 << 10
	stretch = 4 << 20 // of a run, which the disk is given at once
)

// Run is what was written to a file without a gap, and not given to the disk yet. The zero
// value is ready. Its methods are called by one goroutine at a time.
type Run struct{ begin, end int64 }

// Wrote takes a write of size bytes at offset, and answers the stretch that is to be given to
// the disk now; its length is 0 if none is.
func (r *Run) Wrote(offset int64, size int) (begin, length int64) {
	if size < large {
		return 0, 0
	}
	if offset != r.end {
		r.begin = offset
	}
	if r.end = offset + int64(size); r.end-r.begin < stretch {
		return 0, 0
	}
	begin, length = r.begin, r.end-r.begin
	r.begin = r.end
	return begin, length
}
