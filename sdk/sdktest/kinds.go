package sdktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// late is how much longer than its deadline a call may take on a busy machine.
const late = 5 * time.Second

// sensible fails if a result breaks the rules for results.
func sensible(t *testing.T, what string, r sdk.Result) {
	t.Helper()
	switch r.Status {
	case sdk.StatusUp, sdk.StatusDown, sdk.StatusUnknown:
	default:
		t.Errorf("%s: status %q", what, r.Status)
	}
	if r.Status != sdk.StatusUp && (r.Reason == "" || r.Reason == "the plugin gave no reason") {
		t.Errorf("%s: %s without a reason", what, r.Status)
	}
}

func checker(t *testing.T, client *sdk.Client, d sdk.Description, o Options) {
	c, err := client.Checker(d.Name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), o.Timeout)
	defer cancel()
	sensible(t, "check", c.Check(ctx, o.Settings))

	hurried, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Millisecond))
	defer cancel()
	start := time.Now()
	sensible(t, "check with a deadline of 1 ms", c.Check(hurried, o.Settings))
	if took := time.Since(start); took > late {
		t.Errorf("check with a deadline of 1 ms took %v", took)
	}
	streams(t, c, o)
}

// streams watches twice at once and expects a first result from both, and an
// end soon after the context's.
func streams(t *testing.T, c *sdk.RemoteChecker, o Options) {
	ctx, cancel := context.WithTimeout(t.Context(), o.Timeout)
	defer cancel()
	first, ended := make(chan sdk.Result, 2), make(chan error, 2)
	for range 2 {
		go func() {
			told := false
			ended <- c.Stream(ctx, sdk.WatchOptions{Settings: o.Settings, Interval: 50 * time.Millisecond, Timeout: time.Second}, func(r sdk.Result) {
				if !told {
					told = true
					first <- r
				}
			})
		}()
	}
	for range 2 {
		select {
		case r := <-first:
			sensible(t, "watch", r)
		case err := <-ended:
			t.Fatalf("the watch ended before its first result: %v", err)
		case <-ctx.Done():
			t.Fatalf("no first result within %v", o.Timeout)
		}
	}
	cancel()
	for range 2 {
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the watch was cancelled and ended with: %v", err)
			}
		case <-time.After(late):
			t.Fatal("the watch goes on after its context ended")
		}
	}
}

func application(t *testing.T, client *sdk.Client, d sdk.Description, o Options) {
	a, err := client.Application(d.Name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*o.Timeout)
	defer cancel()
	req := sdk.AppRequest{Instance: "sdktest/one", Settings: o.Settings}
	if why := a.Describe().Unavailable; why != "" {
		if err := a.Start(ctx, req); err == nil || err.Error() != why {
			t.Errorf("start on a node where it is unavailable: got %v, want %q", err, why)
		}
		sensible(t, "status where unavailable", a.Status(ctx, req))
		return
	}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), o.Timeout)
		defer cancel()
		req.Force = true
		_ = a.Stop(ctx, req) // the test has said what is wrong
	})
	must("stop what never started", a.Stop(ctx, req))
	must("start", a.Start(ctx, req))
	must("start again", a.Start(ctx, req))
	if r := a.Status(ctx, req); r.Status != sdk.StatusUp {
		t.Errorf("status after start: %+v", r)
	}
	must("stop", a.Stop(ctx, req))
	must("stop again", a.Stop(ctx, req))
	r := a.Status(ctx, req)
	sensible(t, "status after stop", r)
	if r.Status == sdk.StatusUp {
		t.Errorf("status after stop: %+v", r)
	}
	req.Force = true
	must("start before force", a.Start(ctx, req))
	must("stop with force", a.Stop(ctx, req))
	if r := a.Status(ctx, req); r.Status == sdk.StatusUp {
		t.Errorf("status after stop with force: %+v", r)
	}
}

func filter(t *testing.T, client *sdk.Client, d sdk.Description, o Options) {
	f, err := client.Filter(d.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 6*o.Timeout)
	defer cancel()
	if err := f.Remove(ctx, "sdktest-never-configured"); err != nil {
		t.Errorf("remove a module that was never configured: %v", err)
	}
	if err := f.SetTable(ctx, sdk.FilterTable{Module: "sdktest-never-configured", Epoch: 1}); err == nil {
		t.Error("set a table of a module that was never configured: want an error")
	}
	if o.Filter == nil {
		return
	}
	c := *o.Filter
	missing := c
	missing.Interfaces = []sdk.FilterInterface{{Name: "sdktest-none0"}}
	if _, err := f.Configure(ctx, missing); err == nil {
		t.Error("configure with a missing interface: want an error")
	}
	useFilter(ctx, t, f, c)
}

// useFilter takes a filter through one module's life.
func useFilter(ctx context.Context, t *testing.T, f *sdk.RemoteFilter, c sdk.FilterConfig) {
	st, err := f.Configure(ctx, c)
	if err != nil {
		t.Fatalf("configure: %v", err)
	}
	if len(st.Attachments) != len(c.Interfaces) {
		t.Errorf("configure %d interfaces: attached to %d", len(c.Interfaces), len(st.Attachments))
	}
	table := sdk.FilterTable{Module: c.Module, Epoch: 1, Accept: true, Groups: map[string][]sdk.Row{}, MACs: map[uint8][]sdk.MAC{}}
	for _, g := range c.Groups {
		rows := make([]sdk.Row, buckets)
		for i := range rows {
			rows[i] = sdk.Row(c.Self)
		}
		table.Groups[g.Name] = rows
	}
	for _, a := range st.Attachments {
		table.MACs[c.Self] = append(table.MACs[c.Self], a.MAC)
	}
	if err := f.SetTable(ctx, table); err != nil {
		t.Errorf("set table: %v", err)
	}
	const until = 1 << 62
	for {
		if err := f.Renew(until); err != nil {
			t.Errorf("renew: %v", err)
			break
		}
		st, err := f.State(ctx)
		if err != nil {
			t.Errorf("state: %v", err)
		}
		if err != nil || st.LeaseUntil == until {
			break
		}
	}
	if _, err := f.Sockets(ctx, c.Module); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("sockets: %v", err)
	}
	if err := f.Remove(ctx, c.Module); err != nil {
		t.Errorf("remove: %v", err)
	}
	if st, err := f.State(ctx); err != nil || len(st.Attachments) != 0 {
		t.Errorf("state after the last module was removed: %+v, %v", st, err)
	}
}

// buckets is the number of rows of a table.
const buckets = 4096
