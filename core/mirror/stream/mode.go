package stream

// Mode says what the application's calls wait for on the secondary.
type Mode int

// The modes.
const (
	// ModeFsync: fsync(2) and its like wait until the data is on the secondary's
	// disk; close(2), and what takes a name away or gives a file another, until it was
	// applied there: that is how many programs commit, and not all sync the directory
	// afterwards (SQLite does not by default). write(2) waits for nothing.
	ModeFsync Mode = iota
	// ModeWrite: as ModeFsync, and every operation waits until it was applied.
	ModeWrite
	// ModeMemory: fsync(2) waits until the data was applied, not for the
	// secondary's disk: what is acknowledged is lost if both lose power at once.
	ModeMemory
)

var modeNames = [...]string{"fsync", "write", "memory"}

func (m Mode) String() string { return modeNames[m] }

// Level is how far the secondary has to be.
type Level int

// The levels.
const (
	Sent    Level = iota // it is in the window
	Applied              // the secondary's kernel has it
	Durable              // the secondary's disk has it
)

// Wait is the level that an operation of kind k waits for before the application is
// answered.
func (m Mode) Wait(k Kind) Level {
	switch {
	case k == Fsync && m != ModeMemory:
		return Durable
	case k == Fsync, k == Stamp, k == Word, k == Rename, k == Unlink, k == Link, m == ModeWrite:
		return Applied
	}
	return Sent
}
