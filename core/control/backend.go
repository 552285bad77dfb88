package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Backend is the node behind the API.
type Backend struct {
	Cluster  Cluster
	Modules  Modules
	Views    Views
	Nodes    Nodes        // the APIs of the others
	Commands Commands     // nil: nobody takes note
	Console  Console      // with Sessions: the logins of browsers
	Metrics  http.Handler // in the text format of Prometheus; nil: there are none
	Sessions *Sessions    // nil: no such logins
}

// Cluster founds and changes the cluster. by says who asks.
type Cluster interface {
	Init(ctx context.Context, by string, r InitRequest) (Outcome, error)
	Join(ctx context.Context, by string, r JoinRequest) (Outcome, error)
	// Leave takes this node out; with force also if no other one can take note.
	Leave(ctx context.Context, by string, force bool) (Outcome, error)
	// Remove takes a node out that is gone and cannot leave by itself.
	Remove(ctx context.Context, by, node string) (Outcome, error)
	Token(ctx context.Context, by string, ttl time.Duration) (TokenReply, error)
	// Admit answers a new node's request; the token inside is its login.
	Admit(ctx context.Context, request json.RawMessage) (json.RawMessage, error)
}

// Modules installs modules and moves them between states.
type Modules interface {
	Install(ctx context.Context, by string, r InstallRequest) (Outcome, error)
	Configurations
	Copies
	Uninstall(ctx context.Context, by, name string) (Outcome, error)
	// Shipped lists the modules that Install knows by name.
	Shipped(ctx context.Context) ([]Shipped, error)
	Package(ctx context.Context, name string) ([]byte, error)
	Do(ctx context.Context, by, name string, verb core.Verb, r VerbRequest) (Outcome, error)
	// SetResource publishes a resource of a module on this node.
	SetResource(ctx context.Context, by, name string, r ResourceRequest) (Outcome, error)
	// Switch turns a switch of a module on nodes.
	Switch(ctx context.Context, by, name string, r SwitchRequest) (Outcome, error)
	// Bare starts or stops the application of a stopped module on this node, without the module.
	Bare(ctx context.Context, by, name string, r BareRequest) (Outcome, error)
	// Tell writes into the journal of a module on this node.
	Tell(ctx context.Context, by, name string, r TellRequest) (Outcome, error)
}

// Views reads.
type Views interface {
	Histories
	Status(ctx context.Context, module string) (Status, error)
	List(ctx context.Context) ([]ModuleInfo, error)
	ClusterStatus(ctx context.Context) (ClusterStatus, error)
	Log(ctx context.Context, q LogQuery, emit func(LogEntry) error) error
	Why(ctx context.Context, module string) (Why, error)
	Explain(ctx context.Context, q ExplainQuery) (Explanation, error)
	// Verify compares both copies of a mirror's data, EstimateResync what is recorded for the
	// other node. Both are the primary's to answer; the secondary asks it for the first.
	Verify(ctx context.Context, module string) (Verification, error)
	EstimateResync(ctx context.Context, module string) (ResyncEstimate, error)
	Plugins(ctx context.Context) ([]PluginInfo, error)
	// Serving says whether the module takes connections on this node; and since when
	// (RFC 3339), or why not.
	Serving(module string) (bool, string)
}

// Errors that decide the status of an answer; wrap them.
var (
	ErrNotFound = errors.New("not found")    // 404
	ErrRefused  = errors.New("refused")      // 409
	ErrInput    = errors.New("not possible") // 400

	ErrForbidden = errors.New("not allowed")                    // 403
	ErrElsewhere = errors.New("the other node does not answer") // 502
)

// Refusal is an error for the user that belongs to one of the kinds above, and
// reads as its text alone.
type Refusal struct {
	Kind     error
	Text     string
	Problems diag.Problems
}

func (r *Refusal) Error() string {
	if len(r.Problems) > 0 {
		return r.Text + "\n" + r.Problems.Error()
	}
	return r.Text
}

func (r *Refusal) Unwrap() error { return r.Kind }
