package hook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// ruleTime is how long one look at all rules of a text may take. They are pure
// computations on a few names, done in a millisecond even where the machine is busy; what
// takes longer is a mistake.
const ruleTime = 2 * time.Second

// ruleVerbs are what a rule may ask for, as fields of Action.
var ruleVerbs = []core.Verb{core.VerbStop, core.VerbStopStart, core.VerbWait, core.VerbRestart, core.VerbSwap, core.VerbNone}

// Rules is a text of failover rules in Lua. It sees resources and nothing else: no
// clock, no files, no network, no memory of the time before. Its methods may be
// called from any goroutine.
type Rules struct {
	name     string
	proto    *lua.FunctionProto
	list     []RuleInfo
	disabled []string

	limit   time.Duration
	running atomic.Bool // a look goes on, perhaps one that was left behind

	mu     sync.Mutex
	looked bool
	key    string                // of the resources that were looked at last
	last   map[string]ruleAnswer // nil: there is none, or that look failed
	failed string                // why
}

// RuleInfo is what is known of a rule before it is looked at.
type RuleInfo struct {
	Label   string
	Actions []core.Verb // that it may ask for; one if it was made by if_then
	Names   []string    // of resources that it speaks of by name
	Text    string      // the condition, in words
	Line    int         // in the text, from 1
}

// RuleView is the resources that rules look at, by class.id.
type RuleView struct {
	Local, Remote map[string]core.Value
	Cluster       core.Value
}

// ruleAnswer is what one rule makes of a view.
type ruleAnswer struct {
	action core.Verb // empty: it does not hold
	why    string
	open   bool // cannot be told
}

// LoadRules reads a text of rules; name is the file in messages. Positions of problems
// count from the beginning of the text.
func LoadRules(name, text string) (*Rules, []diag.Problem) {
	src := []byte(text)
	source := diag.NewSource(name, src)
	if len(src) > maxSource {
		return nil, []diag.Problem{{ID: idRules, Severity: diag.Error, Pos: diag.Position{File: name}, Message: fmt.Sprintf("has %d bytes, and rules have %d at most", len(src), maxSource)}}
	}
	_, proto, err := compile(name, src)
	if err != nil {
		return nil, []diag.Problem{syntaxProblem(source, name, src, err)}
	}
	r := &Rules{name: name, proto: proto, limit: ruleTime}
	if err := r.learn(); err != nil {
		p := diag.Problem{ID: idRules, Severity: diag.Error, Pos: diag.Position{File: name, Line: 1}, Message: strings.TrimSpace(err.Error())}
		if line, rest, ok := placed(name, p.Message); ok {
			p.Pos.Line, p.Message, p.Source = line, rest, source.Line(line)
		}
		return nil, []diag.Problem{p}
	}
	return r, nil
}

// placed takes the place off an error of Lua: NAME:LINE: text.
func placed(name, text string) (line int, rest string, ok bool) {
	if !strings.HasPrefix(text, name+":") {
		return 0, text, false
	}
	_, err := fmt.Sscanf(text[len(name)+1:], "%d:", &line)
	_, rest, _ = strings.Cut(text[len(name)+1:], ": ")
	return line, rest, err == nil
}

// List are the rules, in the order of the text.
func (r *Rules) List() []RuleInfo { return r.list }

// Disabled are the labels of built-in rules that the text switches off.
func (r *Rules) Disabled() []string { return r.disabled }

// learned is what running the text once tells.
type learned struct {
	list     []RuleInfo
	disabled []string
}

// learn runs the text once, to see which rules there are.
func (r *Rules) learn() error {
	l, err := run(r, func(s *ruleState) learned {
		l := learned{disabled: s.off}
		for _, label := range s.labels {
			one := s.rules[label]
			l.list = append(l.list, RuleInfo{Label: label, Actions: s.actions(r.proto, one), Names: s.names(one), Text: one.text(), Line: one.line})
		}
		slices.SortStableFunc(l.list, func(a, b RuleInfo) int { return a.Line - b.Line })
		return l
	})
	r.list, r.disabled = l.list, l.disabled
	return err
}

// errLeftBehind is answered while an earlier look has not come to its end.
var errLeftBehind = errors.New("an earlier look at the rules has still not come to an end")

// run runs the text in a fresh state and then f. It comes back soon after ruleTime even
// if the state does not, which a single long operation can bring about; as long as
// that goes on no other is begun.
func run[T any](r *Rules, f func(*ruleState) T) (T, error) {
	type answer struct {
		of  T
		err error
	}
	var none T
	if !r.running.CompareAndSwap(false, true) {
		return none, errLeftBehind
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), r.limit, errors.New("the rules did not come to an end within "+r.limit.String()))
	defer cancel()
	ended := make(chan answer, 1)
	go func() {
		var a answer
		a.err = execute(ctx, r.proto, func(s *ruleState) { a.of = f(s) })
		r.running.Store(false)
		ended <- a
	}()
	select {
	case a := <-ended:
		return a.of, a.err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case a := <-ended:
		return a.of, a.err
	case <-late.C:
		return none, context.Cause(ctx)
	}
}

// execute runs a text of rules and then f.
func execute(ctx context.Context, proto *lua.FunctionProto, f func(*ruleState)) error {
	l := newState()
	defer l.Close()
	l.SetContext(ctx)
	s := newRuleState(l)
	l.Push(l.NewFunctionFromProto(proto))
	err := l.PCall(0, 0, nil)
	if err == nil {
		s.labels = sortedKeys(s.rules)
		f(s)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return toLuaError(err)
	}
	return nil
}

// Judge says which action a rule asks for, empty if it does not hold, and why; open
// that it cannot be told: a resource that it looks at has no result yet, or the rule
// failed.
func (r *Rules) Judge(label string, v RuleView) (action core.Verb, why string, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := v.key(); !r.looked || key != r.key {
		r.looked, r.key, r.last = true, key, r.look(v)
	}
	if r.last == nil {
		return "", r.failed, true
	}
	a := r.last[label]
	return a.action, a.why, a.open
}

// look asks all rules at once; nil if that failed.
func (r *Rules) look(v RuleView) map[string]ruleAnswer {
	all, err := run(r, func(s *ruleState) map[string]ruleAnswer {
		s.view = v
		all := map[string]ruleAnswer{}
		for _, label := range s.labels {
			all[label] = s.judge(s.rules[label])
		}
		return all
	})
	if err != nil {
		r.failed = err.Error()
		return nil
	}
	return all
}

// key is the view as text, to tell one from another.
func (v RuleView) key() string {
	var b strings.Builder
	for _, from := range []map[string]core.Value{v.Local, v.Remote} {
		for _, name := range sortedKeys(from) {
			fmt.Fprintf(&b, "%s=%s ", name, from[name])
		}
		fmt.Fprintf(&b, "%t|", from != nil)
	}
	return b.String() + string(v.Cluster)
}
