package control

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Histories tell what resources were.
type Histories interface {
	// ResourceHistory answers the last changes of a module's resources on this node, the
	// oldest first.
	ResourceHistory(ctx context.Context, q HistoryQuery) ([]ResourceChange, error)
}

// HistoryQuery chooses changes.
type HistoryQuery struct {
	Module   string
	Resource string // class.id; empty: of all
	Limit    int    // of each resource; 0: as many as are kept
}

// ResourceChange is one change of a resource's value.
type ResourceChange struct {
	Entry    int64      `json:"entry"` // of the journal, which tells what it led to
	Time     time.Time  `json:"time"`
	Resource string     `json:"resource"`
	Value    core.Value `json:"value"`
	Reason   string     `json:"reason,omitempty"` // what was seen
}

func (s *server) history(r *http.Request) (any, error) {
	q := HistoryQuery{Module: r.PathValue("name"), Resource: r.FormValue("resource")}
	if n := r.FormValue("limit"); n != "" {
		var err error
		if q.Limit, err = strconv.Atoi(n); err != nil || q.Limit < 0 {
			return nil, fmt.Errorf("%w: limit %q is no number of changes", ErrInput, n)
		}
	}
	return s.b.Views.ResourceHistory(r.Context(), q)
}
