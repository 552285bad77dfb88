package daemon

import (
	"reflect"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

func TestSwitches(t *testing.T) {
	var s switches
	for _, step := range []struct {
		name, to string
		want     switches
	}{
		{control.WatchProcesses, "off", switches{Muted: []string{control.WatchProcesses}}},
		{control.WatchChecks, "off", switches{Muted: []string{control.WatchChecks, control.WatchProcesses}}},
		{control.WatchChecks, "off", switches{Muted: []string{control.WatchChecks, control.WatchProcesses}}},
		{control.WatchProcesses, "on", switches{Muted: []string{control.WatchChecks}}},
		{control.SwitchBoot, "off", switches{Muted: []string{control.WatchChecks}, Boot: "off"}},
	} {
		next, err := s.turned(step.name, step.to)
		if err != nil || !reflect.DeepEqual(next, step.want) {
			t.Fatalf("%s %s: %+v %v", step.name, step.to, next, err)
		}
		s = next
	}
	if !s.mutes("tcp.web") || s.mutes("proc.nginx") {
		t.Errorf("%+v mutes the wrong resources", s)
	}
	for _, bad := range [][2]string{{control.WatchChecks, "auto"}, {control.SwitchBoot, "yes"}, {"light", "on"}} {
		if _, err := s.turned(bad[0], bad[1]); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
	for configured, want := range map[string]string{"ignore": "off", "": "off", "on": "on", "auto": "auto"} {
		if got := s.atBoot(configured); got != want {
			t.Errorf("boot=%q with boot switched off is %s", configured, got)
		}
	}
	if got := (switches{}).atBoot("ignore"); got != "auto" {
		t.Errorf("what nobody decided is %s", got)
	}
}
