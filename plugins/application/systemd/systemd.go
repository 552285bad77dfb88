// Package systemd is the application controller for units of systemd, spoken to
// over D-Bus.
package systemd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["unit"],
	"additionalProperties": false,
	"properties": {
		"unit": {"type": "string", "pattern": "^[A-Za-z0-9:_.\\\\@-]+$", "maxLength": 255, "description": "name of the unit; .service is added if it has no ending"}
	}
}`

// bus is what the controller asks of systemd.
type bus interface {
	// start and stop queue a job and return its result: done, failed, …
	start(ctx context.Context, unit string) (string, error)
	stop(ctx context.Context, unit string) (string, error)
	// kill sends SIGKILL to all processes of the unit.
	kill(ctx context.Context, unit string) error
	properties(ctx context.Context, unit string) (map[string]any, error)
}

// New makes the controller.
func New() sdk.Application { return &controller{bus: newBus(), unavailable: unavailable} }

type controller struct {
	bus         bus
	unavailable func() string
}

// Describe presents the controller.
func (c *controller) Describe() sdk.Description {
	return sdk.Description{
		Name: "systemd", Kind: sdk.KindApplication, Version: "1.0.0",
		Summary: "starts and stops a unit of systemd",
		Schema:  json.RawMessage(schema), Platforms: []string{"linux"}, Unavailable: c.unavailable(),
	}
}

func (c *controller) unit(r sdk.AppRequest) (string, error) {
	if why := c.unavailable(); why != "" {
		return "", errors.New(why)
	}
	var s struct {
		Unit string `json:"unit"`
	}
	if err := sdk.DecodeSettings(r.Settings, &s); err != nil {
		return "", err
	}
	if s.Unit == "" {
		return "", errors.New("read settings: unit names none")
	}
	if !strings.Contains(s.Unit, ".") {
		s.Unit += ".service"
	}
	return s.Unit, nil
}

// Start starts the unit and waits for the end of the job. A unit whose start
// leaves it inactive (it ended at once) is an error.
func (c *controller) Start(ctx context.Context, r sdk.AppRequest) error {
	unit, err := c.unit(r)
	if err != nil {
		return err
	}
	result, err := c.bus.start(ctx, unit)
	if err != nil {
		return fmt.Errorf("start unit %s: %w", unit, err)
	}
	st, err := c.state(ctx, unit)
	if err != nil {
		return err
	}
	if result != "done" || !st.runs() {
		return fmt.Errorf("start unit %s: the job ended with %q and %s; see journalctl -u %s", unit, result, st, unit)
	}
	return nil
}

// Stop stops the unit and waits for the end of the job; force kills its
// processes first. A unit that systemd does not know is stopped.
func (c *controller) Stop(ctx context.Context, r sdk.AppRequest) error {
	unit, err := c.unit(r)
	if err != nil {
		return err
	}
	st, err := c.state(ctx, unit)
	if err != nil {
		return err
	}
	if st.load == "not-found" || st.active == "inactive" {
		return nil
	}
	if r.Force {
		if err := c.bus.kill(ctx, unit); err != nil && st.runs() {
			return fmt.Errorf("kill unit %s: %w", unit, err)
		}
	}
	result, err := c.bus.stop(ctx, unit)
	if err != nil {
		return fmt.Errorf("stop unit %s: %w", unit, err)
	}
	if st, err = c.state(ctx, unit); err != nil {
		return err
	}
	if st.active != "inactive" && st.active != "failed" {
		return fmt.Errorf("stop unit %s: the job ended with %q and %s; see journalctl -u %s", unit, result, st, unit)
	}
	return nil
}

// Status tells whether the unit is active.
func (c *controller) Status(ctx context.Context, r sdk.AppRequest) sdk.Result {
	unit, err := c.unit(r)
	if err != nil {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
	}
	st, err := c.state(ctx, unit)
	switch {
	case err != nil:
		return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
	case st.runs():
		return sdk.Result{Status: sdk.StatusUp, Detail: st.String()}
	}
	return sdk.Result{Status: sdk.StatusDown, Reason: "unit " + unit + ": " + st.String()}
}

// state is a unit's state as systemd names it.
type state struct{ load, active, sub, result string }

func (c *controller) state(ctx context.Context, unit string) (state, error) {
	p, err := c.bus.properties(ctx, unit)
	if err != nil {
		return state{}, fmt.Errorf("ask systemd for unit %s: %w", unit, err)
	}
	text := func(name string) string { s, _ := p[name].(string); return s }
	return state{text("LoadState"), text("ActiveState"), text("SubState"), text("Result")}, nil
}

func (s state) runs() bool { return s.active == "active" || s.active == "reloading" }

func (s state) String() string {
	if s.load == "not-found" {
		return "systemd knows no such unit"
	}
	text := "it is " + s.active + " (" + s.sub + ")"
	if s.result != "" && s.result != "success" {
		text += " because of " + s.result
	}
	return text
}
