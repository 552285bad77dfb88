//go:build !linux

package lab

import (
	"context"
	"errors"
	"io"
)

var errLinux = errors.New("a lab is made of Linux network namespaces: run it on Linux")

// Lab is a running lab; there are none on this system.
type Lab struct{}

// Stdio is what a command in a lab is connected to.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// Start answers an error on this system.
func Start(context.Context, Options) (*Lab, error) { return nil, errLinux }

// Up answers an error on this system.
func Up(context.Context, Options) (Status, error) { return Status{}, errLinux }

// Hold answers an error on this system.
func Hold(context.Context, string, string, Options) error { return errLinux }

// Down answers an error on this system.
func Down(context.Context, string, string, func(string) error) error { return errLinux }

// Exec answers an error on this system.
func Exec(context.Context, string, string, string, []string, Stdio) error { return errLinux }

// Labs answers an error on this system.
func Labs(string) ([]string, error) { return nil, errLinux }

func available() error { return errLinux }

// HoldCommand is empty on this system.
func HoldCommand(string, string) []string { return nil }

// ClientNamespace is empty on this system.
func ClientNamespace(string) string { return "" }

// Do answers an error on this system.
func (*Lab) Do(context.Context, Fault) error { return errLinux }

// Orchestrate answers an error on this system.
func (*Lab) Orchestrate(context.Context, string, ...string) ([]byte, error) { return nil, errLinux }

// Status is empty on this system.
func (*Lab) Status() Status { return Status{} }

// ClientNamespace is empty on this system.
func (*Lab) ClientNamespace() string { return "" }

// Done is closed on this system.
func (*Lab) Done() <-chan struct{} { c := make(chan struct{}); close(c); return c }

// Close does nothing on this system.
func (*Lab) Close() error { return nil }
