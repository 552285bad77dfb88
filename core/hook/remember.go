package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
)

// memory keeps the settings with which applications were started, so that they
// can be stopped and asked with the same, also after a restart of the daemon.
// They live as long as a start of the system, as the applications do, below
// run/applications; files are for root only because settings may hold secrets.
type memory struct {
	home string // empty: kept in this process alone
	mu   sync.Mutex
	kept map[string]json.RawMessage
}

// keep stores the settings of an instance; nil forgets them.
func (m *memory) keep(instance string, settings json.RawMessage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[string]json.RawMessage{}
	}
	if old, known := m.kept[instance]; known && bytes.Equal(old, settings) {
		return nil
	}
	if err := m.write(instance, settings); err != nil {
		return fmt.Errorf("remember the settings with which %s is started: %w", instance, err)
	}
	m.kept[instance] = settings
	return nil
}

// write stores the settings of an instance as a whole or not at all.
func (m *memory) write(instance string, settings json.RawMessage) error {
	if m.home == "" {
		return nil
	}
	path := m.path(instance)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if settings == nil {
		settings = json.RawMessage("null")
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, settings, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// recall returns the settings of an instance, nil if none are known.
func (m *memory) recall(instance string) json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.kept[instance]; ok || m.home == "" {
		return s
	}
	text, err := os.ReadFile(m.path(instance))
	if err != nil || !json.Valid(text) || string(text) == "null" {
		return nil // never started since the system was
	}
	return text
}

func (m *memory) path(instance string) string {
	return filepath.Join(m.home, "run", "applications", url.PathEscape(instance)+".json")
}
