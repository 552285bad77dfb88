package simtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"testing/synctest"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// node is one of the two. Its fields are the world's to lock, but for the disk.
type node struct {
	w     *world
	id    int
	disk  *disk
	up    bool
	gens  mirror.Generations // as stored
	log   *zones.Log
	serve *serving   // it is primary
	copy  *following // it dials, or follows
	// The cluster's knowledge.
	followed bool // it was an equal, and nothing that it had was overwritten since
	rejected bool // the peer was chosen, and it has not heard
	busy     bool // its daemon starts or ends a service
}

// peer is the other one.
func (n *node) peer() *node { return n.w.nodes[1-n.id] }

// boot starts a node whose disk is there.
func (n *node) boot() error {
	n.up, n.followed = true, false
	err := n.open()
	if errors.Is(err, errPower) {
		return nil // the world notices
	}
	return err
}

// open reads what is kept beside the data.
func (n *node) open() error {
	var g mirror.Generations
	b, err := n.disk.ReadFile(recordName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case json.Unmarshal(b, &g) != nil:
		return fmt.Errorf("n%d: the generations are damaged: %q", n.id, b)
	}
	log, err := zones.Open(n.disk, n.w.zones)
	if err != nil {
		return fmt.Errorf("n%d: %w", n.id, err)
	}
	n.w.note("n%d has %s, %v", n.id, g, log.Recorded())
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.gens, n.log = g, log
	return nil
}

// recorded are the zones that the node has recorded.
func (n *node) recorded() zones.Recorded {
	n.w.mu.Lock()
	log := n.log
	n.w.mu.Unlock()
	return log.Recorded()
}

const recordName = "state.json"

// store makes generations durable, in one step, as the product's record is.
func (n *node) store(g mirror.Generations) error {
	if err := g.Check(); err != nil {
		return n.w.fail("n%d stores what is impossible: %w", n.id, err)
	}
	if n.w.fault == "a generation is not written" && n.w.lapse() {
		n.keep(g)
		return nil
	}
	b, err := json.Marshal(g)
	if err != nil {
		return err
	}
	if err := zones.Replace(n.disk, recordName, b); err != nil {
		return err
	}
	n.keep(g)
	return nil
}

func (n *node) keep(g mirror.Generations) {
	n.w.note("n%d stored %s", n.id, g)
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.gens = g
}

// crash takes the power of a node away.
func (n *node) crash() {
	n.w.note("n%d crashes", n.id)
	n.disk.die()
	n.w.sever()
	for _, w := range n.w.wires {
		_ = w.ends[n.id].Close()
	}
	if s := n.serve; s != nil {
		s.kill()
	}
	synctest.Wait()
	n.serve, n.copy, n.busy, n.rejected, n.followed, n.up = nil, nil, false, false, false, false
	n.disk = n.disk.restart(n.w.rng)
}

// lock is one that time may pass under.
type lock chan struct{}

func newLock() lock    { return make(lock, 1) }
func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }
