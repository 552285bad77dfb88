package daemon

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// What a node of a mirror says of itself travels as a note of the heartbeat, by the
// networks whose silence decides, and what it must not forget lies in its home.

// maxStatement limits what is unpacked.
const maxStatement = 1 << 16

// packStatement writes a statement as small as it can be, so that it goes wherever a
// heartbeat goes.
func packStatement(p core.PeerState) ([]byte, error) { return pack(p) }

func unpackStatement(b []byte) (core.PeerState, error) {
	var p core.PeerState
	err := unpack(b, &p)
	return p, err
}

// errTooMany says that something does not fit a note.
var errTooMany = errors.New("the rules look at more resources of the other node than one packet holds: name fewer")

// pack writes JSON as small as it can be.
func pack(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

func unpack(b []byte, v any) error {
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), maxStatement))
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		return fmt.Errorf("read what the other node says: %w", err)
	}
	return nil
}

func (d *Daemon) keptFile(module string) string { return d.path("state", module+".kept.json") }

// kept is what this node remembers of its copy of a mirror's data. A node that
// remembers nothing begins with the time, so that no life of it comes twice.
func (d *Daemon) kept(module string) core.Kept {
	var k core.Kept
	raw, err := os.ReadFile(d.keptFile(module))
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err == nil {
		return k
	}
	if !errors.Is(err, os.ErrNotExist) {
		d.log.Error("read what is known of a mirror's data", "module", module, "error", err)
		d.noteModule(module, "config", "error", fmt.Sprintf("What this node knew of its data is lost: %v.", err), nil, 0)
	}
	return core.Kept{Life: uint64(time.Now().Unix())}
}

// keep stores what has changed, before anything is done on account of it.
func (mod *module) keep(in core.Instance) error {
	k := in.Kept()
	if reflect.DeepEqual(k, mod.stored) {
		return nil
	}
	raw, err := json.Marshal(k)
	if err == nil {
		err = replaceDurably(mod.m.d.keptFile(mod.conf.Name), raw)
	}
	if err != nil {
		return fmt.Errorf("store what is known of the data of %s: %w", mod.conf.Name, err)
	}
	mod.stored = k
	return nil
}

// replaceDurably writes a file as a whole or not at all; after it returns not even a
// loss of power brings the old one back.
func replaceDurably(path string, content []byte) (err error) {
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
