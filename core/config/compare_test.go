package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const compared = `<safe>
  <macro name="PORT" value="80"/>
  <service mode="farm" maxloop="3" boot="on">
    <farm slow_start="0s" lease="fence"><lan name="default"/></farm>
    <vip>
      <interface_list>
        <interface name="eth0"><virtual_interface type="vmac_directed">
          <virtual_addr addr="192.0.2.10"/>
        </virtual_interface></interface>
      </interface_list>
      <loadbalancing_list>
        <group name="web">
          <cluster><host name="n1" power="1"/></cluster>
          <rule port="%PORT%" proto="tcp" filter="on_port"/>
        </group>
        <group name="dns"><rule port="53" proto="udp" filter="on_addr"/></group>
      </loadbalancing_list>
    </vip>
    <user starttimeout="60"><var name="A" value="1"/></user>
    <errd><proc name="nginx" atleast="1"/></errd>
    <check><tcp ident="web"><to addr="192.0.2.10" port="80" interval="10"/></tcp><ping ident="gw"><to addr="192.0.2.1"/></ping></check>
    <failover handle_time="15000"><![CDATA[ a: if (tcp.web == down) then stop(); ]]></failover>
  </service>
</safe>`

func configuration(t *testing.T, change ...string) *Module {
	t.Helper()
	text := compared
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(text, change[i]) {
			t.Fatalf("there is no %q to change", change[i])
		}
		text = strings.Replace(text, change[i], change[i+1], 1)
	}
	files := fstest.MapFS{
		"conf/userconfig.xml": {Data: []byte(text)},
		"bin/start_both":      {Data: []byte("#!/bin/sh\n")}, "bin/stop_both": {Data: []byte("#!/bin/sh\n")},
	}
	m, problems := Parse(files, "web", Options{System: "linux"})
	if m == nil {
		t.Fatal(problems)
	}
	return m
}

// TestCompare: each change of a document is told once, with its place, and what it
// does where the module runs.
func TestCompare(t *testing.T) {
	base := configuration(t)
	for _, c := range []struct {
		from, to string
		want     []string // path old → new: effect
	}{
		{`boot="on"`, `boot="on"`, nil},
		{"  <service", "\n\n<!-- a remark -->  <service", nil},
		{`slow_start="0s"`, ``, nil}, // the default
		{`handle_time="15000"`, `handle_time="15s"`, nil},
		{`boot="on"`, `boot="auto"`, []string{`service/@boot on → auto: live`}},
		{`maxloop="3"`, `maxloop="4"`, []string{`service/@maxloop 3 → 4: live`}},
		{`maxloop="3"`, `maxloop="3" loop_interval="1"`, []string{`service/@loop_interval 24h → 1h: live`}},
		{`slow_start="0s"`, `slow_start="90"`, []string{`service/farm/@slow_start 0s → 1m30s: live`}},
		{`lease="fence"`, `lease="keep"`, []string{`service/farm/@lease fence → keep: stop`}},
		{`<farm `, `<farm pulse="200" `, []string{`service/farm/@pulse 100ms → 200ms: none`}},
		{`<lan name="default"/>`, `<lan name="b"/>`, []string{`service/farm/lan[default] <lan name="default"> → : none`, `service/farm/lan[b]  → <lan name="b">: none`}},
		{`name="eth0"`, `name="eth1"`, []string{`service/vip/interface_list/interface[1]/@name eth0 → eth1: stop`}},
		{`vmac_directed`, `vmac_invisible`, []string{`service/vip/interface_list/interface[1]/virtual_interface/@type vmac_directed → vmac_invisible: stop`}},
		{`<virtual_addr addr="192.0.2.10"/>`, `<virtual_addr addr="192.0.2.10"/><virtual_addr addr="192.0.2.11" check="off"/>`,
			[]string{`service/vip/interface_list/interface[1]/virtual_interface/virtual_addr[192.0.2.11]  → <virtual_addr addr="192.0.2.11" check="off">: live`}},
		{`power="1"`, `power="64"`, []string{`service/vip/loadbalancing_list/group[web]/cluster/host[n1]/@power 1 → 64: live`}},
		{`<group name="dns"><rule port="53" proto="udp" filter="on_addr"/></group>`, ``, []string{`service/vip/loadbalancing_list/group[dns] <group name="dns"><rule port="53" proto="udp"> → : live`}},
		{`<rule port="53" proto="udp" filter="on_addr"/>`, `<rule port="53" proto="udp" filter="on_addr"/><rule port="53" proto="tcp"/>`,
			[]string{`service/vip/loadbalancing_list/group[dns]/rule[tcp * 53]  → <rule port="53" proto="tcp">: live`}},
		{`filter="on_port"`, `filter="on_addr"`, []string{`service/vip/loadbalancing_list/group[web]/rule[tcp * 80]/@filter on_port → on_addr: live`}},
		{`group name="web"`, `group name="www"`, []string{
			`service/vip/loadbalancing_list/group[web] <group name="web"><cluster><host name="n1"><rule port="80" proto="tcp" filter="on_port"> → : live`,
			`service/vip/loadbalancing_list/group[www]  → <group name="www"><cluster><host name="n1"><rule port="80" proto="tcp" filter="on_port">: live`}},
		{`name="PORT" value="80"`, `name="PORT" value="81"`, []string{`macro[PORT]/@value 80 → 81: none`,
			`service/vip/loadbalancing_list/group[web]/rule[tcp * 80] <rule port="80" proto="tcp" filter="on_port"> → : live`,
			`service/vip/loadbalancing_list/group[web]/rule[tcp * 81]  → <rule port="81" proto="tcp" filter="on_port">: live`}},
		{`starttimeout="60"`, `starttimeout="61"`, []string{`service/user/@starttimeout 1m → 1m1s: live`}},
		{`<var name="A" value="1"/>`, `<var name="A" value="2"/><var name="B" value="3"/>`, []string{`service/user/var[A]/@value 1 → 2: live`, `service/user/var[B]  → <var name="B" value="3">: live`}},
		{`atleast="1"`, `atleast="2"`, []string{`service/errd/proc[nginx]/@atleast 1 → 2: check`}},
		{`port="80" interval`, `port="81" interval`, []string{`service/check/tcp[web]/to/@port 80 → 81: check`}},
		{`<ping ident="gw"><to addr="192.0.2.1"/></ping>`, ``, []string{`service/check/ping[gw] <ping ident="gw"><to addr="192.0.2.1"> → : check`}},
		{`then stop()`, `then restart()`, []string{`service/failover a: if (tcp.web == down) then stop(); → a: if (tcp.web == down) then restart();: live`}},
	} {
		var got []string
		for _, one := range Compare(base, configuration(t, c.from, c.to)) {
			text := fmt.Sprintf("%s %s → %s: %s", one.Path, one.Old, one.New, one.Effect)
			if one.Why != "" {
				text += " (" + one.Why + ")"
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s to %s:\n%s\ninstead of\n%s", c.from, c.to, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// In vmac_invisible traffic that goes elsewhere needs a stop, and says which; what
// comes or goes does not.
func TestCompareInvisible(t *testing.T) {
	base := configuration(t, "vmac_directed", "vmac_invisible")
	for change, want := range map[[2]string]string{
		{`filter="on_port"`, `filter="on_addr"`}:                                   "tcp to 192.0.2.10:80 goes from group web (on_port) to group web (on_addr)",
		{`group name="web"`, `group name="www"`}:                                   "tcp to 192.0.2.10:80 goes from group web (on_port) to group www (on_port)",
		{`<rule port="53"`, `<rule port="54"`}:                                     "",
		{`<group name="dns">`, `<group name="dns"><rule port="443" proto="tcp"/>`}: "",
		{`<group name="dns">`, `<group name="dns"><rule port="*" proto="tcp"/>`}:   "",
	} {
		effect, why := EffectLive, ""
		for _, one := range Compare(base, configuration(t, "vmac_directed", "vmac_invisible", change[0], change[1])) {
			if one.Effect.Worse(effect) {
				effect, why = one.Effect, one.Why
			}
		}
		if (effect == EffectStop) != (want != "") || why != want {
			t.Errorf("%s to %s: %s (%s), want %q", change[0], change[1], effect, why, want)
		}
	}
}

func TestCompareModesAndAddresses(t *testing.T) {
	base := configuration(t)
	light, problems := Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(`<safe><service mode="light"/></safe>`)}}, "web", Options{})
	if light == nil {
		t.Fatal(problems)
	}
	if e := Compare(base, light).Effect(); e != EffectStop {
		t.Errorf("another mode: %s", e)
	}
	from := compared[strings.Index(compared, "<vip>") : strings.Index(compared, "</vip>")+len("</vip>")]
	for _, one := range Compare(base, configuration(t, from, "")) {
		if one.Effect != EffectStop {
			t.Errorf("the last address: %+v", one)
		}
	}
}

// Without <user> no hook runs, though the files are the same.
func TestCompareWithoutUser(t *testing.T) {
	base, next := configuration(t), configuration(t, `<user starttimeout="60"><var name="A" value="1"/></user>`, "", `<errd><proc name="nginx" atleast="1"/></errd>`, "")
	all := Compare(base, next)
	if !slices.Contains(all, Change{"hook stop_both", "bin/stop_both", "", EffectStopStart, "what the old hooks have started they have to stop"}) {
		t.Errorf("%+v", all)
	}
	if e := all.Effect(); e != EffectStopStart {
		t.Errorf("what was started is never stopped: %s", e)
	}
}

// TestCompareKnowsItsEffects: whatever nobody has decided needs a stop.
func TestCompareKnowsItsEffects(t *testing.T) {
	var walk func(path string, e *Element)
	walk = func(path string, e *Element) {
		for _, a := range e.Attributes {
			if a.Effect != "" && !slices.Contains(effects, a.Effect) {
				t.Errorf("%s/@%s: there is no effect %q", path, a.Name, a.Effect)
			}
		}
		for _, k := range e.Key {
			if e.attribute(k) == nil {
				t.Errorf("%s: its key %q is no attribute", path, k)
			}
		}
		for i := range e.Children {
			walk(path+"/"+e.Children[i].Name, &e.Children[i])
		}
	}
	walk("safe", Schema())
	walk("cluster", ClusterSchema())
	if e := (&Element{Name: "new"}).effect(EffectStopStart); e != EffectStopStart {
		t.Errorf("an element that nobody has thought about: %s", e)
	}
}

func TestCompareFiles(t *testing.T) {
	old := fstest.MapFS{"conf/userconfig.xml": {Data: []byte("1")}, "bin/a": {Data: []byte("1")}, "bin/b": {Data: []byte("1")}}
	next := fstest.MapFS{"conf/userconfig.xml": {Data: []byte("2")}, "bin/a": {Data: []byte("22")}, "lua/c.lua": {Data: []byte("1")}}
	got, err := CompareFiles(old, next)
	want := Changes{{Path: "bin/a", Old: "1 bytes", New: "2 bytes", Effect: EffectLive}, {Path: "bin/b", Old: "1 bytes", Effect: EffectLive}, {Path: "lua/c.lua", New: "1 bytes", Effect: EffectLive}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}
