package replication

import (
	"encoding/json"
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/resync"
)

// message is what the two Replicators say to each other within a session: the primary in
// the stream, in its place among the operations. One field is set.
type message struct {
	Word *mirror.Word `json:"word,omitempty"`
	// Data goes with the word Join: core's name for the primary's data.
	Data core.Generation `json:"data,omitzero"`

	Request *resync.Request `json:"request,omitempty"` // primary
	Answer  *resync.Answer  `json:"answer,omitempty"`  // secondary

	// Sync asks that all before it is made durable; the same number answers.
	Sync uint64 `json:"sync,omitempty"`
}

func (m message) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // of plain values
	}
	return b
}

func decode(b []byte) (message, error) {
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return message{}, fmt.Errorf("the peer said what is no message: %w", err)
	}
	return m, nil
}
