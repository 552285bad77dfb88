// Package w3svc is the application controller for IIS, or any other set of
// Windows services.
package w3svc

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
	"additionalProperties": false,
	"properties": {
		"services": {
			"type": "array", "minItems": 1, "uniqueItems": true,
			"items": {"type": "string", "minLength": 1, "maxLength": 256},
			"description": "names of the services in the order of their start; [\"W3SVC\"], which is IIS, if left out"
		}
	}
}`

// phase is where a service stands, in the words of the Windows documentation.
type phase string

const (
	stopped phase = "stopped"
	running phase = "running"
	other   phase = "pending" // starting, stopping, pausing, paused
)

// status is what the service manager says of a service.
type status struct {
	phase phase
	word  string // start-pending, paused, …
	exit  uint32 // why it stopped; 0 for well
}

// manager is what the controller asks of the Windows service manager. Names of
// services are not case-sensitive.
type manager interface {
	query(service string) (status, error)
	// start asks a service to start; nil if it does already.
	start(service string) error
	// stop asks a service to stop; nil if it has already.
	stop(service string) error
	// dependents lists the services that run and need this one, in the order
	// in which they must be stopped.
	dependents(service string) ([]string, error)
	// kill ends the process of a service.
	kill(service string) error
}

// New makes the controller.
func New() sdk.Application { return &controller{manager: newManager(), unavailable: unavailable()} }

type controller struct {
	manager     manager
	unavailable string
}

// Describe presents the controller.
func (c *controller) Describe() sdk.Description {
	return sdk.Description{
		Name: "w3svc", Kind: sdk.KindApplication, Version: "1.0.0",
		Summary: "starts and stops IIS (W3SVC) or other Windows services",
		Schema:  json.RawMessage(schema), Platforms: []string{"windows"}, Unavailable: c.unavailable,
	}
}

func (c *controller) services(r sdk.AppRequest) ([]string, error) {
	if c.unavailable != "" {
		return nil, errors.New(c.unavailable)
	}
	s := struct {
		Services []string `json:"services"`
	}{Services: []string{"W3SVC"}}
	err := sdk.DecodeSettings(r.Settings, &s)
	return s.Services, err
}

// Start starts the services in their order and waits until each runs. What
// they depend on (WAS for IIS) is started by Windows.
func (c *controller) Start(ctx context.Context, r sdk.AppRequest) error {
	services, err := c.services(r)
	if err != nil {
		return err
	}
	for _, s := range services {
		if err := c.startOne(ctx, s); err != nil {
			return fmt.Errorf("start service %s: %w", s, err)
		}
	}
	return nil
}

// Stop stops the services in reverse order, with what depends on them, and
// waits until each has stopped. Force ends the processes of those that are
// left.
func (c *controller) Stop(ctx context.Context, r sdk.AppRequest) error {
	services, err := c.services(r)
	if err != nil {
		return err
	}
	for i := len(services) - 1; i >= 0; i-- {
		if err := c.stopAll(ctx, services[i], r.Force); err != nil {
			return err
		}
	}
	return nil
}

// Status is up when all services run.
func (c *controller) Status(_ context.Context, r sdk.AppRequest) sdk.Result {
	services, err := c.services(r)
	if err != nil {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
	}
	var down []string
	for _, s := range services {
		st, err := c.manager.query(s)
		if err != nil {
			return sdk.Result{Status: sdk.StatusUnknown, Reason: fmt.Sprintf("ask for service %s: %v", s, err)}
		}
		if st.phase != running {
			down = append(down, "service "+s+" is "+st.word)
		}
	}
	if len(down) > 0 {
		return sdk.Result{Status: sdk.StatusDown, Reason: strings.Join(down, "; ")}
	}
	return sdk.Result{Status: sdk.StatusUp}
}
