package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

const block = 4096

// returns measures what is copied to a server that was away while pgbench wrote, by what
// changed: the blocks in which the two copies differ.
func (b *bench) returns(ctx context.Context, r *rig, pg *postgres) error {
	f := Figure{ID: "mirrordb.resync", Name: fmt.Sprintf("data copied over data changed, the secondary was away for %s of pgbench", apartSpan), Unit: "times", Target: always(1.2)}
	var told []string
	for run := range min(2, b.runs) {
		changed, sent, took, err := r.apart(ctx, pg)
		if err != nil {
			return fmt.Errorf("run %d: %w", run+1, err)
		}
		told = append(told, fmt.Sprintf("%.1f MB changed, %.1f were copied in %.1f s", float64(changed)/1e6, float64(sent)/1e6, took.Seconds()))
		b.say("%s", told[run])
		f.Values = append(f.Values, float64(sent)/float64(changed))
	}
	f.Note = strings.Join(told, "; ") + "."
	b.add(f)
	return nil
}

// apart lets the secondary's machine die, and come back when much has changed.
func (r *rig) apart(ctx context.Context, pg *postgres) (changed, sent int64, took time.Duration, err error) {
	const module, data = "postgresql", "lib/postgresql_For_SafeKit_Replication/data"
	prim, second := r.pair(ctx, module)
	if err := r.dies(ctx, second); err != nil {
		return 0, 0, 0, err
	}
	if err := r.alone(ctx, module, prim); err != nil {
		return 0, 0, 0, err
	}
	if _, err := r.transaction(ctx, ourServer, apartSpan); err != nil {
		return 0, 0, 0, err
	}
	// What PostgreSQL has in mind is written now, not while it is copied.
	if _, err := pg.query(ctx, r, "checkpoint"); err != nil {
		return 0, 0, 0, err
	}
	if changed, err = differ(r.disk(prim, data), r.disk(second, data)); err != nil {
		return 0, 0, 0, err
	}
	if changed == 0 {
		return 0, 0, 0, errors.New("pgbench changed nothing")
	}
	begin := time.Now()
	if err := r.fault(ctx, lab.Fault{Verb: lab.Heal, Nodes: []string{second}}); err != nil {
		return 0, 0, 0, err
	}
	if err := r.paired(ctx, module); err != nil {
		return 0, 0, 0, err
	}
	took = time.Since(begin)
	p := r.states(ctx, prim, module)[prim].Pair
	if p == nil || p.Replication == nil || p.Replication.Resync == nil {
		return 0, 0, 0, errors.New("the primary tells of no resynchronisation")
	}
	return changed, p.Replication.Resync.Sent, took, nil
}

// differ is how many bytes of a folder's files are in blocks that another does not have at
// the same place of the file with the same name.
func differ(dir, other string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		one, err := differs(path, filepath.Join(other, name))
		sum += one
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("compare the copies: %w", err)
	}
	return sum, nil
}

func differs(path, other string) (sum int64, err error) {
	a, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	var beside io.Reader = strings.NewReader("")
	b, err := os.Open(other)
	if err == nil {
		defer b.Close()
		beside = b
	} else if !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	left, right := make([]byte, block), make([]byte, block)
	for {
		n, err := io.ReadFull(a, left)
		if err == io.EOF {
			return sum, nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return 0, err
		}
		m, err := io.ReadFull(beside, right)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return 0, err
		}
		if !bytes.Equal(left[:n], right[:m]) {
			sum += int64(n)
		}
	}
}
