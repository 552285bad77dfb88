package config

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Rfs is how folders are replicated.
type Rfs struct {
	ACL         bool
	Async       string        // second: acknowledged when received; none: when written
	LockTimeout time.Duration // patience with the secondary's answers
	SendTimeout time.Duration // patience with the network
	SyncThreads int
	SyncTimeout time.Duration
	SyncLimit   int // KB/s; 0: none
	SyncDetail  bool
	SyncDelta   time.Duration // age of the last synchronisation up to which a node may start alone
	SyncAt      Times         // never: always
	VerifyAt    Times         // when both copies are compared
	Scripts     bool
	Suffix      string // of a folder's real place
	Options     string // cross or nocross
	Flow        *Lan   // old form; nil: none is named
	Folders     []Folder
	Pos         diag.Position
}

// FlowNetwork is the name of the network that replication is to use; empty: any.
func (m *Module) FlowNetwork() string {
	for _, n := range m.Heart.Networks {
		if n.Ident == "flow" {
			return n.Name
		}
	}
	if m.Rfs != nil && m.Rfs.Flow != nil {
		return m.Rfs.Flow.Name
	}
	return ""
}

// Folder is a folder that is replicated.
type Folder struct {
	Dir       string
	WriteBack bool     // the kernel may gather writes
	MustHave  []string // paths in it that must exist before replication starts
	Except    []string // paths in it that are left out
	Patterns  []Pattern
	Pos       diag.Position
}

// Pattern tells which paths are left out.
type Pattern struct {
	Regex string
	Not   bool // those that do not match
}
