package control

import "time"

// Replication is where the replication of a mirror stands on one node.
type Replication struct {
	Role          string        `json:"role"`            // prim, second or stop
	State         string        `json:"state,omitempty"` // of a primary: alone, preparing, resyncing, joining, mirroring, suspended, recording; of a secondary: connecting, following, copied
	Connected     bool          `json:"connected"`
	Why           string        `json:"why,omitempty"`  // it is not connected, or the last order failed
	Generations   string        `json:"generations"`    // of the data: current, begin of the record for the other node, former
	LagOperations uint64        `json:"lag_operations"` // that the secondary has not applied yet
	LagBytes      int           `json:"lag_bytes"`      //
	Syncs         int           `json:"syncs"`          // that wait for the secondary's disk
	Sent          uint64        `json:"sent"`           // bytes sent in this session
	Rate          int64         `json:"rate"`           // bytes of them a second, mean of the last 3 s
	Resync        *Resync       `json:"resync,omitempty"`
	Verifying     *Verifying    `json:"verifying,omitempty"`   // a comparison that is going on
	Verified      *Verification `json:"verified,omitempty"`    // last, from this node
	Synced        *time.Time    `json:"synced,omitempty"`      // when the copy here was last known to be up to date
	NextSync      *time.Time    `json:"next_sync,omitempty"`   // of syncat
	NextVerify    *time.Time    `json:"next_verify,omitempty"` // of verifyat
}

// Resync is a resynchronisation: that which runs, or the last one.
type Resync struct {
	Extent  string    `json:"extent"` // zones or everything
	Running bool      `json:"running"`
	Since   time.Time `json:"since"`
	Round   int       `json:"round"`
	Files   int64     `json:"files"`          // looked at
	Known   int64     `json:"known"`          // files to look at, as far as that is known
	Total   int64     `json:"total"`          // bytes to compare
	Done    int64     `json:"done"`           // bytes compared
	Sent    int64     `json:"sent"`           // bytes that differed
	Rate    int64     `json:"rate,omitempty"` // bytes a second that are compared, mean of the last 3 s
	Left    Duration  `json:"left,omitempty"`
}

// Verifying is how far a comparison of both copies is.
type Verifying struct {
	Since time.Time `json:"since"`
	Files int64     `json:"files"` // looked at
	Known int64     `json:"known"` // files to look at, as far as that is known
	Total int64     `json:"total"` // bytes to compare
	Done  int64     `json:"done"`  // bytes compared
	Left  Duration  `json:"left,omitempty"`
}

// Verification is the outcome of comparing both copies.
type Verification struct {
	At          time.Time    `json:"at"`
	Took        Duration     `json:"took"`
	Complete    bool         `json:"complete"`
	Error       string       `json:"error,omitempty"` // why it is not complete
	Files       int64        `json:"files"`
	Bytes       int64        `json:"bytes"`
	Different   int          `json:"different"`
	Differences []Difference `json:"differences,omitempty"` // the first of them
}

// Difference is something in which the copies differ.
type Difference struct {
	Path string `json:"path"`
	What string `json:"what"`
}

// ResyncEstimate is what bringing the other node up to date would take.
type ResyncEstimate struct {
	Everything bool  `json:"everything"`
	Files      int64 `json:"files"`
	Bytes      int64 `json:"bytes"` // to compare; what differs of them is sent
	// Took is how long that takes at the speed of the last one or the limit; 0: nothing is known.
	Took Duration `json:"took,omitempty"`
}
