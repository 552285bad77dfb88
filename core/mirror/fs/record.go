package fs

import "github.com/orchestrator-ha/orchestrator/core/mirror/stream"

// Recorder takes the operations that change something, in order.
type Recorder interface {
	// Session numbers the sessions with the peer, from 1. In each, files are to be
	// introduced anew.
	Session() uint64
	// Record takes an operation, and waits while too much is on its way. inodes are the
	// numbers in the backing directory of what changes: the file or, for operations on
	// names, the directories and then the files that get a name. op's Data may be reused when it returns. With an error
	// the operation is not carried out, or is answered with EIO if it was.
	Record(op stream.Op, inodes ...uint64) (Receipt, error)
	// Diverged says that the peer cannot be told what inode holds now: it is to be
	// copied.
	Diverged(inode uint64, why error)
}

// Receipt is an operation that was recorded: Wait waits as the acknowledgement mode asks
// before the application is answered.
type Receipt = interface{ Wait() error }
