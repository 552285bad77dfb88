package hook

import (
	"os"
	"path/filepath"
	"testing"
)

// Settings that could not be stored are not taken for stored when they come again.
func TestSettingsAreStoredTheNextTime(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "run"), nil, 0o600); err != nil { // where a folder belongs
		t.Fatal(err)
	}
	m := memory{home: home}
	if err := m.keep("web", []byte(`{"a":1}`)); err == nil {
		t.Fatal("settings were stored in a file")
	}
	if err := os.Remove(filepath.Join(home, "run")); err != nil {
		t.Fatal(err)
	}
	if err := m.keep("web", []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if got := (&memory{home: home}).recall("web"); string(got) != `{"a":1}` {
		t.Errorf("another daemon recalls %q", got)
	}
}
