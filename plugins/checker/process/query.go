package process

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// query is what to look for.
type query struct {
	Name      string `json:"name"`
	NameRegex string `json:"nameregex"`
	ArgRegex  string `json:"argregex"`
	AtLeast   int    `json:"atleast"`
	AtMax     int    `json:"atmax"`
	Service   bool   `json:"service"`

	Poll sdk.Duration `json:"poll"`

	name, args *regexp.Regexp
}

// prepare compiles the patterns. They may match anywhere; ^ and $ tie them down.
func (q *query) prepare() (err error) {
	if q.NameRegex != "" {
		if q.name, err = regexp.Compile(q.NameRegex); err != nil {
			return fmt.Errorf("read nameregex: %w", err)
		}
	}
	if q.ArgRegex != "" {
		if q.args, err = regexp.Compile(q.ArgRegex); err != nil {
			return fmt.Errorf("read argregex: %w", err)
		}
	}
	if q.Service && q.Name == "" {
		return errors.New("service is set, but no name says which")
	}
	return nil
}

// named tells whether p has a name that is looked for. The name is compared only where
// there is no pattern for it: then it is just the resource's.
func (q *query) named(p proc, same func(shown, asked string) bool) bool {
	if q.name != nil {
		return q.name.MatchString(p.name)
	}
	return q.Name == "" || same(p.name, q.Name)
}

// matches tells whether p is looked for. It fails where the system does not say.
func (q *query) matches(p proc, same func(shown, asked string) bool) (bool, error) {
	if !q.named(p, same) {
		return false, nil
	}
	if q.args != nil {
		if line, err := p.args(); err != nil || !q.args.MatchString(line) {
			return false, err
		}
	}
	return p.here()
}

// judge says what it means that n processes run.
func (q *query) judge(n int) sdk.Result {
	r := sdk.Result{Status: sdk.StatusUp, Detail: fmt.Sprintf("%d found", n)}
	switch {
	case n == 0 && q.AtLeast == 1:
		r.Reason = fmt.Sprintf("process %s not running", q.who())
	case n < q.AtLeast:
		r.Reason = fmt.Sprintf("process %s: %d running, at least %d wanted", q.who(), n, q.AtLeast)
	case q.AtMax >= 0 && n > q.AtMax:
		r.Reason = fmt.Sprintf("process %s: %d running, at most %d wanted", q.who(), n, q.AtMax)
	}
	if r.Reason != "" {
		r.Status = sdk.StatusDown
	}
	return r
}

// who names what is looked for.
func (q *query) who() string {
	switch {
	case q.Name != "":
		return q.Name
	case q.NameRegex != "":
		return "matching " + q.NameRegex
	}
	return "with arguments matching " + q.ArgRegex
}
