package hook

import (
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

const someRules = `--Lua Rules
Rules = Rules + {
  -- as SafeKit writes them
  custom_failure = if_then("custom.app", "down", Action.stopstart), _group = "checker",
  any_tcp = if_then("tcp.?", "down", Action.restart),
  all_ping = if_then("ping.*", "down", Action.wait),
  alone = if_then("cluster", "down", Action.noaction),
}
Rules.disable("ip_failure")

local function gone(r) return r["remote.state.local"] == "unknown" end

Rules = Rules + {
  sick = function(r)
    if r["custom.app"] == "down" and cluster() == "down" then return Action.stop, "the application is down and nobody is near" end
    if r["custom.app"] == "down" then return Action.restart end
    return nil, "the application is well"
  end,
  lonely = function(r) if gone(r) then return Action.stop end end,
}
`

func loaded(t *testing.T, text string) *Rules {
	t.Helper()
	r, problems := LoadRules("rules.lua", text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return r
}

func TestRulesInLua(t *testing.T) {
	r := loaded(t, someRules)
	up := func(change ...string) RuleView {
		v := RuleView{Local: map[string]core.Value{"custom.app": core.ResUp, "tcp.a": core.ResUp, "tcp.b": core.ResUp, "ping.a": core.ResUp, "ping.b": core.ResUp}, Cluster: core.ResUp}
		for i := 0; i < len(change); i += 2 {
			if change[i] == "cluster" {
				v.Cluster = core.Value(change[i+1])
			} else {
				v.Local[change[i]] = core.Value(change[i+1])
			}
		}
		return v
	}
	for _, c := range []struct {
		label string
		view  RuleView
		want  core.Verb
		why   string
		open  bool
	}{
		{"custom_failure", up(), "", "custom.app is up", false},
		{"custom_failure", up("custom.app", "down"), core.VerbStopStart, "custom.app is down", false},
		{"custom_failure", up("custom.app", "init"), "", "custom.app has no result yet", true},
		{"any_tcp", up("tcp.b", "down"), core.VerbRestart, "tcp.b is down", false},
		{"any_tcp", up("tcp.a", "init"), "", "tcp.a has no result yet", true},
		{"any_tcp", up("tcp.a", "init", "tcp.b", "down"), core.VerbRestart, "tcp.b is down", false},
		{"any_tcp", RuleView{Cluster: core.ResUp}, "", "there is no resource tcp.?", false},
		{"all_ping", up("ping.a", "down"), "", "ping.b is up", false},
		{"all_ping", up("ping.a", "down", "ping.b", "down"), core.VerbWait, "ping.a is down and ping.b is down", false},
		{"alone", up("cluster", "down"), core.VerbNone, "cluster is down", false},
		{"sick", up(), "", "the application is well", false},
		{"sick", up("custom.app", "down"), core.VerbRestart, "custom.app is down and cluster() is up and custom.app is down", false},
		{"sick", up("custom.app", "down", "cluster", "down"), core.VerbStop, "the application is down and nobody is near", false},
		{"sick", up("custom.app", "init"), "", "custom.app has no result yet", true},
		{"lonely", up(), core.VerbStop, "remote.state.local is unknown", false},
	} {
		action, why, open := r.Judge(c.label, c.view)
		if action != c.want || why != c.why || open != c.open {
			t.Errorf("%s: %q, %q, open %t; want %q, %q, open %t", c.label, action, why, open, c.want, c.why, c.open)
		}
	}
	if off := r.Disabled(); len(off) != 1 || off[0] != "ip_failure" {
		t.Errorf("switched off: %v", off)
	}
	for _, one := range r.List() {
		if one.Label == "sick" && (len(one.Actions) != 2 || one.Actions[0] != core.VerbStop || one.Actions[1] != core.VerbRestart || len(one.Names) != 1) {
			t.Errorf("sick: %+v", one)
		}
		if one.Label == "custom_failure" && (one.Line != 4 || one.Text != "custom.app == down") {
			t.Errorf("custom_failure: %+v", one)
		}
	}
}

// A rule reaches nothing, remembers nothing, and does not go on for ever.
func TestRulesInLuaArePure(t *testing.T) {
	for what, body := range map[string]string{
		"a clock": `os.time()`, "chance": `math.random()`, "files": `file.read("/etc/passwd")`, "programs": `exec{"true"}`, "modules": `require("x")`, "more text": `load("x")`,
	} {
		r := loaded(t, "--Lua Rules\nRules = Rules + { x = function(r) local v = "+body+"; return Action.stop end }")
		if action, why, open := r.Judge("x", RuleView{}); action != "" || !open {
			t.Errorf("%s: %q %q", what, action, why)
		}
	}
	r := loaded(t, "--Lua Rules\nseen = 0\nRules = Rules + { x = function(r) seen = seen + 1; if seen > 1 then return Action.stop end; return nil, cluster() end }")
	for _, c := range []core.Value{core.ResUp, core.ResDown, core.ResUp} {
		if action, why, open := r.Judge("x", RuleView{Cluster: c}); action != "" || open || why != string(c) {
			t.Errorf("it remembers: %q %q %t", action, why, open)
		}
	}
	r = loaded(t, "--Lua Rules\nRules = Rules + { x = function(r) while true do pcall(cluster) end end }")
	r.limit = 100 * time.Millisecond
	begun := time.Now()
	if _, why, open := r.Judge("x", RuleView{}); !open || !strings.Contains(why, "did not come to an end") || time.Since(begun) > 5*time.Second {
		t.Errorf("an endless rule: %q %t after %s", why, open, time.Since(begun))
	}
	// One operation of the Lua machine, which looks at no deadline.
	r = loaded(t, `--Lua Rules
Rules = Rules + { x = function(r) return ("a"):rep(28):find(("a*"):rep(9) .. "b") and Action.stop end }`)
	r.limit = 100 * time.Millisecond
	for _, c := range []core.Value{core.ResUp, core.ResDown} { // the second look may find the first still going on
		if _, why, open := r.Judge("x", RuleView{Cluster: c}); !open || !strings.Contains(why, "come to an end") {
			t.Errorf("an endless operation: %q %t", why, open)
		}
	}
}

func TestMistakesOfRulesInLua(t *testing.T) {
	for _, c := range []struct {
		text, want string
		line       int
	}{
		{"--Lua Rules\nRules = Rules + {\n", "something is still open", 2},
		{"--Lua Rules\n\nRules = Rules + { a = if_then(\"tcp\", \"down\", Action.stop) }", `"tcp" is no resource`, 3},
		{"--Lua Rules\nRules = Rules + { a = if_then(\"tcp.a\", \"dwn\", Action.stop) }", `"dwn" is no state`, 2},
		{"--Lua Rules\nRules = Rules + { a = if_then(\"tcp.a\", \"down\", Action.stpo) }", "there is no Action.stpo", 2},
		{"--Lua Rules\nRules = Rules + { a = 7 }", "neither if_then", 2},
		{"--Lua Rules\nRules = Rules + { a = if_then(\"tcp.a\", \"down\", Action.stop) }\nRules = Rules + { a = if_then(\"tcp.a\", \"down\", Action.stop) }", `a rule "a" already`, 3},
		{"--Lua Rules\nrule = 1 + rul", "there is no rul", 2},
	} {
		_, problems := LoadRules("rules.lua", c.text)
		if len(problems) != 1 || !strings.Contains(problems[0].Message, c.want) || problems[0].Pos.Line != c.line {
			t.Errorf("%q: %+v", c.text, problems)
		}
	}
}
