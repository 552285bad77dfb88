package proc

import (
	"errors"
	"os"
	"slices"
	"testing"
)

func TestIDs(t *testing.T) {
	if list, err := IDs(); err != nil || !slices.Contains(list, os.Getpid()) {
		t.Errorf("%v, %v", list, err)
	}
}

func TestRead(t *testing.T) {
	name, err := ReadFile(os.Getpid(), "comm")
	if err != nil || len(name) == 0 {
		t.Errorf("%q, %v", name, err)
	}
	if to, err := Readlink(os.Getpid(), "cwd"); err != nil || to == "" {
		t.Errorf("%q, %v", to, err)
	}
	if _, err := ReadFile(-1, "comm"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
