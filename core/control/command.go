package control

import (
	"fmt"
	"net/http"
	"strings"
)

// Commands takes note of what was asked for, and what became of it.
type Commands interface {
	Carried(c Command)
}

// Command is one call that was to change something.
type Command struct {
	By     string // who asked, and from where
	What   string // "stop web_farm", "cluster token"
	Module string // empty: it is about none
	Nodes  []string
	OK     bool
	Result string // in words
}

// Text is the command as a line of a log.
func (c Command) Text() string {
	where := ""
	if len(c.Nodes) > 0 {
		where = " on " + strings.Join(c.Nodes, ", ")
	}
	how := "done"
	if !c.OK {
		how = "failed"
	}
	if c.Result != "" {
		how += ": " + strings.TrimSuffix(c.Result, ".")
	}
	return fmt.Sprintf("%s: %s%s: %s.", c.By, c.What, where, how)
}

// carried takes note of a call that has ended.
func (s *server) carried(by string, r *http.Request, nodes []string, out any, err error) {
	if s.b.Commands == nil {
		return
	}
	c := Command{By: by, What: what(r), Module: r.PathValue("name"), Nodes: nodes, OK: err == nil}
	o, _ := out.(Outcome)
	switch {
	case err != nil:
		c.Result, _, _ = strings.Cut(err.Error(), "\n")
	case len(o.Nodes) == 0:
		c.Result = o.Text
	default:
		c.OK, c.Result = nodesText(o.Nodes)
	}
	s.b.Commands.Carried(c)
}

// nodesText tells what became of a command on each node.
func nodesText(nodes []NodeOutcome) (ok bool, text string) {
	ok = true
	var parts []string
	for _, n := range nodes {
		part := n.Node
		if n.State != "" {
			part += " is " + n.State
		}
		if !n.OK {
			ok = false
			part += " failed"
		}
		if n.Text != "" {
			part += " (" + n.Text + ")"
		}
		parts = append(parts, part)
	}
	return ok, strings.Join(parts, ", ")
}

// what names a call by its path: a verb and the module, as one types them.
func what(r *http.Request) string {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	switch {
	case parts[0] == "cluster" && r.Method == http.MethodDelete:
		return "cluster remove " + r.PathValue("node")
	case parts[0] != "modules":
		return strings.Join(parts, " ")
	case len(parts) == 3:
		return parts[2] + " " + parts[1]
	case r.Method == http.MethodDelete:
		return "uninstall " + parts[1]
	default:
		return "install " + parts[len(parts)-1]
	}
}

// verb moves a module.
func (s *server) verb(w http.ResponseWriter, r *http.Request) {
	c, ok := s.admit(w, r, Operator)
	if !ok {
		return
	}
	verb, ok := verbs[r.PathValue("verb")]
	if !ok {
		s.answer(w, nil, fmt.Errorf("%w: there is no verb %q for a module", ErrNotFound, r.PathValue("verb")))
		return
	}
	q, err := body[VerbRequest](r)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	out, err := s.b.Modules.Do(r.Context(), c.Name, r.PathValue("name"), verb, q)
	by := c.Name
	if q.Identity != "" {
		by = q.Identity // a script's command, whoever may have begun the script
	}
	s.carried(by, r, q.Nodes, out, err)
	s.answer(w, out, err)
}
