package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// maxArchive limits what an install may upload.
const maxArchive = 256 << 20

// verbs that may be asked of a module from outside.
var verbs = map[string]core.Verb{
	"start": core.VerbStart, "stop": core.VerbStop, "forcestop": core.VerbForceStop,
	"restart": core.VerbRestart, "stopstart": core.VerbStopStart, "wait": core.VerbWait, "wakeup": core.VerbWakeup,
	"prim": core.VerbPrim, "primforce": core.VerbPrimForce, "second": core.VerbSecond, "secondforce": core.VerbSecondForce,
	"swap": core.VerbSwap, "failover-on": core.VerbFailoverOn, "failover-off": core.VerbFailoverOff,
	"drain": core.VerbDrain, "undrain": core.VerbUndrain, "incloop": core.VerbIncLoop, "resetloop": core.VerbResetLoop,
}

// Handler serves the API. who names the caller of a request, or refuses it.
func Handler(b Backend, who Who, log *slog.Logger) http.Handler {
	s := &server{b: b, who: who, log: log, mux: http.NewServeMux()}
	s.routes()
	if b.Sessions != nil {
		s.sessionRoutes()
	}
	return s.ownPages(s.mux)
}

type server struct {
	b   Backend
	who Who
	log *slog.Logger
	mux *http.ServeMux
}

func (s *server) routes() {
	v, m, c := s.b.Views, s.b.Modules, s.b.Cluster
	s.read("GET /v1/status", func(r *http.Request) (any, error) { return v.Status(r.Context(), r.FormValue("module")) })
	list(s, "GET /v1/modules", func(r *http.Request) ([]ModuleInfo, error) { return v.List(r.Context()) }, func(m *ModuleInfo) *map[string]string { return &m.Set })
	s.read("GET /v1/shipped", func(r *http.Request) (any, error) { return m.Shipped(r.Context()) })
	s.read("GET /v1/cluster", func(r *http.Request) (any, error) { return v.ClusterStatus(r.Context()) })
	s.read("GET /v1/plugins", func(r *http.Request) (any, error) { return v.Plugins(r.Context()) })
	s.read("GET /v1/modules/{name}/history", s.history)
	s.read("GET /v1/why/{name}", func(r *http.Request) (any, error) { return v.Why(r.Context(), r.PathValue("name")) })
	s.read("GET /v1/explain", func(r *http.Request) (any, error) {
		return v.Explain(r.Context(), ExplainQuery{Client: r.FormValue("client"), Address: r.FormValue("address"), Proto: r.FormValue("proto")})
	})
	s.read("GET /v1/modules/{name}/resync", func(r *http.Request) (any, error) { return v.EstimateResync(r.Context(), r.PathValue("name")) })
	s.mux.HandleFunc("GET /v1/log", s.guard(Monitor, s.logEntries))
	s.mux.HandleFunc("GET /v1/modules/{name}/package", s.guard(Admin, s.archive))
	s.mux.HandleFunc("GET /v1/nodes/{node}/{path...}", s.guard(Monitor, s.elsewhere))
	if s.b.Metrics != nil {
		s.mux.HandleFunc("GET /metrics", s.guard(Monitor, s.b.Metrics.ServeHTTP))
	}
	s.mux.HandleFunc("GET /health/{name}", s.health)
	s.mux.HandleFunc("GET /var/modules/{name}/ready.txt", s.ready)

	s.write(Admin, "POST /v1/modules/{name}", func(by string, r *http.Request) (any, error) {
		q, err := installRequest(r)
		if err != nil {
			return nil, err
		}
		return m.Install(r.Context(), by, q)
	})
	s.configurations()
	s.copies()
	s.write(Admin, "DELETE /v1/modules/{name}", func(by string, r *http.Request) (any, error) {
		return m.Uninstall(r.Context(), by, r.PathValue("name"))
	})
	s.write(Operator, "POST /v1/modules/{name}/switch", named(m.Switch))
	s.write(Operator, "POST /v1/modules/{name}/bare", named(m.Bare))
	s.write(Operator, "POST /v1/modules/{name}/verify", func(_ string, r *http.Request) (any, error) {
		return v.Verify(r.Context(), r.PathValue("name"))
	})
	s.say(Operator, "POST /v1/modules/{name}/resource", named(m.SetResource))
	s.say(Operator, "POST /v1/modules/{name}/tell", named(m.Tell))
	s.mux.HandleFunc("POST /v1/modules/{name}/{verb}", s.verb)
	s.write(Admin, "POST /v1/cluster/init", decoded(c.Init))
	s.write(Admin, "POST /v1/cluster/join", decoded(c.Join))
	s.write(Admin, "POST /v1/cluster/leave", func(by string, r *http.Request) (any, error) {
		return c.Leave(r.Context(), by, r.FormValue("force") == "true")
	})
	s.write(Admin, "DELETE /v1/cluster/nodes/{node}", func(by string, r *http.Request) (any, error) { return c.Remove(r.Context(), by, r.PathValue("node")) })
	s.write(Admin, "POST /v1/cluster/token", func(by string, r *http.Request) (any, error) {
		ttl, err := time.ParseDuration(r.FormValue("ttl"))
		if err != nil {
			return nil, fmt.Errorf("%w: ttl: %w", ErrInput, err)
		}
		return c.Token(r.Context(), by, ttl)
	})
	s.mux.HandleFunc("POST /v1/admit", func(w http.ResponseWriter, r *http.Request) {
		s.hurry(w)
		raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			raw, err = c.Admit(r.Context(), raw)
		}
		s.answer(w, json.RawMessage(raw), err)
	})
}

// decoded makes a handler of a call that takes a JSON body.
func decoded[In any](call func(context.Context, string, In) (Outcome, error)) func(string, *http.Request) (any, error) {
	return func(by string, r *http.Request) (any, error) {
		in, err := body[In](r)
		if err != nil {
			return nil, err
		}
		return call(r.Context(), by, in)
	}
}

// read serves what every caller may see.
func (s *server) read(pattern string, call func(*http.Request) (any, error)) {
	s.mux.HandleFunc(pattern, s.guard(Monitor, func(w http.ResponseWriter, r *http.Request) {
		out, err := call(r)
		s.answer(w, out, err)
	}))
}

// write serves what changes something, to those who have the role.
func (s *server) write(role Role, pattern string, call func(by string, r *http.Request) (any, error)) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, ok := s.admit(w, r, role)
		if !ok {
			return
		}
		out, err := call(c.Name, r)
		s.carried(c.Name, r, nil, out, err)
		s.answer(w, out, err)
	})
}

// say serves what comes into the journal by itself, as what scripts say.
func (s *server) say(role Role, pattern string, call func(by string, r *http.Request) (any, error)) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if c, ok := s.admit(w, r, role); ok {
			out, err := call(c.Name, r)
			s.answer(w, out, err)
		}
	})
}

func (s *server) guard(role Role, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.admit(w, r, role); ok {
			next(w, r)
		}
	}
}

// failure is the JSON form of an error.
type failure struct {
	Error    string        `json:"error"`
	Problems diag.Problems `json:"problems,omitempty"`
}

func (s *server) answer(w http.ResponseWriter, out any, err error) {
	if err == nil {
		s.send(w, http.StatusOK, out)
		return
	}
	status := http.StatusInternalServerError
	for kind, code := range map[error]int{ErrNotFound: 404, ErrRefused: 409, ErrInput: 400, ErrForbidden: 403, ErrElsewhere: 502} {
		if errors.Is(err, kind) {
			status = code
		}
	}
	f := failure{Error: err.Error()}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		f = failure{Error: refusal.Text, Problems: refusal.Problems}
	}
	s.send(w, status, f)
}

func (s *server) send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("answer a request", "error", err)
	}
}

// bodyTime is how long who is not known yet may take to send a request.
const bodyTime = 10 * time.Second

// hurry limits the time for the body of a request whose sender is not known yet: nobody
// shall hold connections open by saying nothing. The next request begins without.
func (s *server) hurry(w http.ResponseWriter) {
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
		s.log.Debug("limit the time of a request", "error", err)
	}
}

// body decodes a JSON body; an empty one is the zero value.
func body[T any](r *http.Request) (T, error) {
	var v T
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
		return v, fmt.Errorf("%w: read the request: %w", ErrInput, err)
	}
	return v, nil
}

// settings reads repeated set=NAME=VALUE parameters.
func settings(r *http.Request) (map[string]string, error) {
	set := map[string]string{}
	for _, s := range r.URL.Query()["set"] {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%w: --set %q is not NAME=VALUE", ErrInput, s)
		}
		set[name] = value
	}
	return set, nil
}

func installRequest(r *http.Request) (InstallRequest, error) {
	q := InstallRequest{Name: r.PathValue("name"), Builtin: r.URL.Query().Get("builtin"), StopStart: r.URL.Query().Get("stopstart") == "true"}
	var err error
	if q.Set, err = settings(r); err != nil || q.Builtin != "" {
		return q, err
	}
	if q.Archive, err = upload(r); err == nil && len(q.Archive) == 0 {
		err = fmt.Errorf("%w: there is no archive in the request", ErrInput)
	}
	return q, err
}

func (s *server) archive(w http.ResponseWriter, r *http.Request) {
	raw, err := s.b.Modules.Package(r.Context(), r.PathValue("name"))
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	if _, err := w.Write(raw); err != nil {
		s.log.Debug("send an archive", "error", err)
	}
}

// logEntries streams entries, one JSON object a line.
func (s *server) logEntries(w http.ResponseWriter, r *http.Request) {
	q := LogQuery{Module: r.FormValue("module"), Types: r.URL.Query()["type"], Level: r.FormValue("level"), Grep: r.FormValue("grep"), Follow: r.FormValue("follow") == "true", Limit: 300}
	var err error
	if n := r.FormValue("limit"); n != "" {
		q.Limit, err = strconv.Atoi(n)
	}
	if id := r.FormValue("after"); err == nil && id != "" {
		q.After, err = strconv.ParseInt(id, 10, 64)
	}
	if at := r.FormValue("since"); err == nil && at != "" {
		q.Since, err = time.Parse(time.RFC3339Nano, at)
	}
	if err != nil {
		s.answer(w, nil, fmt.Errorf("%w: %w", ErrInput, err))
		return
	}
	encoder := json.NewEncoder(w)
	begun := false
	err = s.b.Views.Log(r.Context(), q, func(e LogEntry) error {
		begun = true
		if err := encoder.Encode(e); err != nil {
			return err
		}
		if q.Follow {
			return http.NewResponseController(w).Flush()
		}
		return nil
	})
	if err != nil && !begun && r.Context().Err() == nil {
		s.answer(w, nil, err)
	}
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	ok, more := s.b.Views.Serving(r.PathValue("name"))
	if !ok {
		http.Error(w, more, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Module-Since", more)
	fmt.Fprintln(w, "OK")
}

// ready is health as load balancers know it from SafeKit: what is not ready is not
// there.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	if ok, why := s.b.Views.Serving(r.PathValue("name")); !ok {
		http.Error(w, why, http.StatusNotFound)
		return
	}
	fmt.Fprintln(w, "OK")
}
