package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Configurations changes what modules are, and tells what a change would do.
type Configurations interface {
	Apply(ctx context.Context, by, name string, r ApplyRequest) (Outcome, error)
	Diff(ctx context.Context, name string, r DiffRequest) (Diff, error)
	History(ctx context.Context, name string) ([]Version, error)
	Rollback(ctx context.Context, by, name string, r RollbackRequest) (Outcome, error)
}

// ApplyRequest gives the edited copy of a module to all nodes.
type ApplyRequest struct {
	Set       map[string]string `json:"set,omitempty"`       // macros that change
	StopStart bool              `json:"stopstart,omitempty"` // stop and start the module, on one node after the other, if something needs that
}

// DiffRequest asks what a configuration would change: that of an archive, of a
// version, or without both the edited copy.
type DiffRequest struct {
	Set     map[string]string
	Version string // 7.3, or how many there were since
	Archive []byte
}

// RollbackRequest asks for a version of before.
type RollbackRequest struct {
	Version   string `json:"version"` // 7.3, or how many there were since
	StopStart bool   `json:"stopstart,omitempty"`
}

// Change is one difference between two configurations of a module.
type Change struct {
	Path   string `json:"path"`          // service/check/tcp[web]/to/@port, bin/start_both.lua
	Old    string `json:"old,omitempty"` // empty: it was not there
	New    string `json:"new,omitempty"` // empty: it is not there any more
	Effect string `json:"effect"`        // none, live, check, stopstart or stop
	Why    string `json:"why,omitempty"` // of an effect that does not follow from the path alone
}

// Diff is what a configuration would change.
type Diff struct {
	Module   string        `json:"module"`
	Changes  []Change      `json:"changes"`
	Effect   string        `json:"effect"` // the worst of all
	Stops    bool          `json:"stops"`  // where the module runs it would have to be stopped
	Running  []Running     `json:"running,omitempty"`
	Problems diag.Problems `json:"problems,omitempty"` // warnings and notes
}

// Running is a node on which a module is not stopped.
type Running struct {
	Node  string `json:"node"`
	State string `json:"state"`
}

// Version is a configuration that is kept.
type Version struct {
	Back      int               `json:"back"` // how many there were since; 0: in use
	Version   string            `json:"version"`
	Signature string            `json:"signature"`
	Set       map[string]string `json:"set,omitempty"`
	Applied   time.Time         `json:"applied"`
	By        string            `json:"by"`
}

// configurations serves them.
func (s *server) configurations() {
	c := s.b.Modules
	s.write(Admin, "POST /v1/modules/{name}/apply", func(by string, r *http.Request) (any, error) {
		set, err := settings(r)
		if err != nil {
			return nil, err
		}
		return c.Apply(r.Context(), by, r.PathValue("name"), ApplyRequest{set, r.FormValue("stopstart") == "true"})
	})
	s.say(Admin, "POST /v1/modules/{name}/diff", func(_ string, r *http.Request) (any, error) {
		q := DiffRequest{Version: r.URL.Query().Get("version")}
		var err error
		if q.Set, err = settings(r); err == nil {
			q.Archive, err = upload(r)
		}
		if err != nil {
			return nil, err
		}
		return c.Diff(r.Context(), r.PathValue("name"), q)
	})
	list(s, "GET /v1/modules/{name}/versions", func(r *http.Request) ([]Version, error) { return c.History(r.Context(), r.PathValue("name")) },
		func(v *Version) *map[string]string { return &v.Set })
	s.write(Admin, "POST /v1/modules/{name}/rollback", named(c.Rollback))
}

// upload reads an archive; there may be none.
func upload(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxArchive+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the archive: %w", err)
	case len(raw) > maxArchive:
		return nil, fmt.Errorf("%w: the archive is larger than %d MiB", ErrInput, maxArchive>>20)
	}
	return raw, nil
}
