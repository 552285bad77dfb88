package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Copies are the copies of modules that may be edited, on this node: what Apply gives to
// all.
type Copies interface {
	Files(ctx context.Context, module string) ([]CopyFile, error)
	ReadFile(ctx context.Context, module, path string) ([]byte, error)
	// WriteFile changes a file or makes it; nothing else happens until Apply.
	WriteFile(ctx context.Context, module, path string, content []byte) error
}

// CopyFile is a file of a module.
type CopyFile struct {
	Path string `json:"path"` // conf/userconfig.xml
	Size int64  `json:"size"` // bytes
	Text bool   `json:"text"` // it can be edited as text
}

// MaxEdited limits a file that is edited through the API, in bytes.
const MaxEdited = 1 << 20

// copies serves them. They may hold passwords, so they are for administrators alone.
func (s *server) copies() {
	c := s.b.Modules
	s.say(Admin, "GET /v1/modules/{name}/files", func(_ string, r *http.Request) (any, error) {
		return c.Files(r.Context(), r.PathValue("name"))
	})
	s.mux.HandleFunc("GET /v1/modules/{name}/files/{path...}", s.guard(Admin, func(w http.ResponseWriter, r *http.Request) {
		raw, err := c.ReadFile(r.Context(), r.PathValue("name"), r.PathValue("path"))
		if err != nil {
			s.answer(w, nil, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if _, err := w.Write(raw); err != nil {
			s.log.Debug("send a file", "error", err)
		}
	}))
	s.say(Admin, "PUT /v1/modules/{name}/files/{path...}", func(_ string, r *http.Request) (any, error) {
		raw, err := io.ReadAll(io.LimitReader(r.Body, MaxEdited+1))
		if err == nil && len(raw) > MaxEdited {
			err = fmt.Errorf("%w: the file is larger than %d KiB", ErrInput, MaxEdited>>10)
		}
		if err == nil {
			err = c.WriteFile(r.Context(), r.PathValue("name"), r.PathValue("path"), raw)
		}
		return Outcome{Text: r.PathValue("path") + " saved"}, err
	})
}
