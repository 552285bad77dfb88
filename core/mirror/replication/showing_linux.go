package replication

import (
	"errors"
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
)

// show lets the copies be read where applications see them on the primary. Replication does
// not need that.
func (f *following) show() {
	for _, p := range f.copies.places {
		if err := fs.Show(p.Dir, p.Data()); err != nil {
			f.r.opts.Host.Note("warn", fmt.Sprintf("The secondary's copy cannot be read in %s: %v.", p.Dir, err))
			continue
		}
		f.shown = append(f.shown, p.Dir)
	}
}

// hide takes that back.
func (f *following) hide() error {
	var errs []error
	for _, dir := range f.shown {
		errs = append(errs, fs.Hide(dir))
	}
	return errors.Join(errs...)
}
