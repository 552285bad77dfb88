package config

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

func parse(document string, o Options) (*Module, diag.Problems) {
	return Parse(fstest.MapFS{userconfig: {Data: []byte(document)}}, "web", o)
}

func utf16le(s string) string {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return string(out)
}

const farmDocument = `<safe><service mode="farm"><user><var name="A" value="größer"/></user></service></safe>`

func TestOddDocuments(t *testing.T) {
	latin := strings.NewReplacer("ö", "\xf6", "ß", "\xdf").Replace(farmDocument)
	for name, tc := range map[string]struct{ document, id string }{
		"utf-8":             {farmDocument, ""},
		"byte order mark":   {"\ufeff" + farmDocument, ""},
		"utf-16":            {utf16le(farmDocument), ""},
		"latin 1":           {`<?xml version="1.0" encoding="ISO-8859-1"?>` + latin, ""},
		"windows":           {`<?xml version="1.0" encoding='windows-1252'?>` + latin, ""},
		"latin 1, not said": {latin, idEncoding},
		"half utf-16":       {utf16le(farmDocument) + "x", idEncoding},
		"unknown":           {`<?xml version="1.0" encoding="ebcdic"?><safe/>`, idEncoding},
		"large":             {"<safe>" + strings.Repeat(" ", maxDocument) + "</safe>", idTooLarge},
		"deep":              {strings.Repeat("<safe>", 1000), idSyntax},
		"control":           {"<safe>\x00</safe>", idSyntax},
		"billion laughs":    {`<!DOCTYPE safe [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><safe>&b;</safe>`, idSyntax},
	} {
		m, ps := parse(tc.document, Options{})
		switch {
		case tc.id == "" && (m == nil || m.User.Vars["A"] != "größer"):
			t.Errorf("%s: got %v, %v", name, m, ps)
		case tc.id != "" && (len(ps) != 1 || ps[0].ID != tc.id):
			t.Errorf("%s: got %v, want %s", name, ps, tc.id)
		}
	}
}

func TestManyProblemsAreCut(t *testing.T) {
	_, ps := parse(`<safe><service mode="farm">`+strings.Repeat("<x/>", 1000)+"</service></safe>", Options{})
	if len(ps) != maxProblems || !strings.Contains(ps[maxProblems-1].Hint, "900 more") {
		t.Errorf("%d problems, the last is %v", len(ps), ps[len(ps)-1])
	}
}

func TestPositions(t *testing.T) {
	m, ps := parse(`<safe>
  <macro name="IP" value="192.0.2.1"/>
  <service mode="farm">
    <vip>
      <interface_list><interface><virtual_interface>
        <virtual_addr addr="%IP%"/>
      </virtual_interface></interface></interface_list>
      <loadbalancing_list><group name="g">
        <rule port="80" proto="tcp"/>
      </group></loadbalancing_list>
    </vip>
    <user/>
    <errd><proc name="nginx"/></errd>
    <check><tcp ident="web"><to addr="127.0.0.1" port="80"/></tcp></check>
  </service>
</safe>`, Options{Path: "modules/web"})
	if m == nil {
		t.Fatal(ps)
	}
	for want, got := range map[string]diag.Position{
		"2:16": m.Macros[0].Pos, "3:4": m.Pos, "5:24": m.Interfaces[0].Pos, "6:29": m.Addresses()[0].Pos,
		"8:40": m.Groups[0].Pos, "9:10": m.Groups[0].Rules[0].Pos, "13:12": m.Procs[0].Pos, "14:13": m.Checkers[0].Pos,
	} {
		if got.String() != "modules/web/conf/userconfig.xml:"+want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestPathInProblems(t *testing.T) {
	for path, want := range map[string]string{"": userconfig, "mods/web": "mods/web/" + userconfig, "web.safe:": "web.safe:" + userconfig} {
		_, ps := parse("<safe/>", Options{Path: path})
		if len(ps) == 0 || ps[0].Pos.File != want {
			t.Errorf("%q: got %v", path, ps)
		}
	}
}

func TestModuleName(t *testing.T) {
	for _, name := range []string{"", "../x", "a b", "-m", ".hidden", strings.Repeat("a", 65)} {
		if m, _ := Parse(fstest.MapFS{userconfig: {Data: []byte(farmDocument)}}, name, Options{}); m != nil {
			t.Errorf("name %q was accepted", name)
		}
	}
}

func TestReactions(t *testing.T) {
	for _, tc := range []struct {
		attributes string
		when       core.When
		action     core.Verb
	}{
		{`when="both"`, core.WhenBoth, core.VerbRestart},
		{`when="prim"`, core.WhenBoth, core.VerbRestart},
		{``, core.WhenBoth, core.VerbRestart},
		{`when="pre"`, core.WhenPre, core.VerbWait},
		{`when="pre" action="noaction"`, core.WhenPre, core.VerbNone},
		{`when="both" action="stop"`, core.WhenBoth, core.VerbStop},
	} {
		m, ps := parse(fmt.Sprintf(`<safe><service mode="farm"><check><tcp ident="a" %s><to addr="127.0.0.1" port="1"/></tcp></check></service></safe>`,
			tc.attributes), Options{})
		if m == nil {
			t.Errorf("%s: %v", tc.attributes, ps)
			continue
		}
		if c := m.Core().Checks[0]; c.When != tc.when || c.Action != tc.action || c.Resource != "tcp.a" {
			t.Errorf("%s: got %+v", tc.attributes, c)
		}
	}
}

func withAddress(t *testing.T, name, address string) *Module {
	t.Helper()
	m, ps := Parse(fstest.MapFS{userconfig: {Data: []byte(`<safe><service mode="farm"><vip><interface_list><interface><virtual_interface>
<virtual_addr addr="` + address + `"/></virtual_interface></interface></interface_list></vip></service></safe>`)}}, name, Options{Path: name})
	if m == nil {
		t.Fatal(ps)
	}
	return m
}

func TestCheckAgainst(t *testing.T) {
	web, shop, other := withAddress(t, "web", "192.0.2.1"), withAddress(t, "shop", "192.0.2.1"), withAddress(t, "other", "192.0.2.2")
	if ps := CheckAgainst(web, []*Module{other, web}); len(ps) != 0 {
		t.Errorf("got %v", ps)
	}
	ps := CheckAgainst(web, []*Module{other, shop})
	if len(ps) != 1 || ps[0].ID != idConflict || ps[0].Pos.String() != "web/conf/userconfig.xml:2:21" ||
		!strings.Contains(ps.Error(), "shop/conf/userconfig.xml:2:21") {
		t.Errorf("got %v", ps)
	}
}

func TestFoldersOfTwoModules(t *testing.T) {
	with := func(name string, dirs ...string) *Module {
		text := `<safe><service mode="mirror"><rfs>`
		for _, d := range dirs {
			text += `<replicated dir="` + d + `"/>`
		}
		m, ps := Parse(fstest.MapFS{userconfig: {Data: []byte(text + `</rfs></service></safe>`)}}, name, Options{})
		if m == nil {
			t.Fatal(ps)
		}
		return m
	}
	db := with("db", "/srv/db", "/srv/logs")
	for _, tc := range []struct {
		dir      string
		conflict bool
	}{
		{"/srv/db", true}, {"/srv/db/", true}, {"/srv/db/inner", true}, {"/srv/db2", false}, {"/srv/log", false}, {"/data", false},
	} {
		if ps := CheckAgainst(with("other", tc.dir), []*Module{db}); (len(ps) == 1 && ps[0].ID == idFolder) != tc.conflict || len(ps) > 1 {
			t.Errorf("%s: got %v", tc.dir, ps)
		}
	}
	if ps := CheckAgainst(db, []*Module{db}); len(ps) != 0 {
		t.Errorf("a module is in conflict with itself: %v", ps)
	}
}

// What a mirror's state machine is told by the document.
func TestCoreOfMirror(t *testing.T) {
	m, ps := parse(`<safe><service mode="mirror" failover="off" defaultprim="lastprim" automatic_reboot="on">
<rfs syncat="0 22 * * *" syncdelta="26h"><replicated dir="/srv/db"/></rfs>
<check><splitbrain ident="w" arg="192.0.2.1 2001:db8::1"/><tcp ident="db" when="prim"><to addr="::1" port="1"/></tcp></check>
</service></safe>`, Options{})
	if m == nil {
		t.Fatal(ps)
	}
	c := m.Core()
	want := core.MirrorConfig{FailoverOff: true, LastPrim: true, Replicated: true, SyncDelta: 26 * time.Hour, Witnesses: []string{"splitbrain.192.0.2.1", "splitbrain.2001:db8::1"}}
	if d := cmp.Diff(want, c.Mirror); d != "" || !c.Reboot {
		t.Errorf("reboot: %t\n%s", c.Reboot, d)
	}
	if d := cmp.Diff([]core.Check{
		{Resource: "tcp.db", When: core.WhenPrim, Action: core.VerbRestart},
		{Resource: "splitbrain.192.0.2.1", When: core.WhenPre, Action: core.VerbNone},
		{Resource: "splitbrain.2001:db8::1", When: core.WhenPre, Action: core.VerbNone},
		{Resource: "rfs.disk", When: core.WhenPrim, Action: core.VerbStopStart},
		{Resource: "rfs.syncat", When: core.WhenPre, Action: core.VerbWait, Planned: true},
	}, c.Checks); d != "" {
		t.Error(d)
	}
}

// FuzzParse: no document makes the reader panic, and a module comes back
// exactly if nothing is refused.
func FuzzParse(f *testing.F) {
	f.Add(farmDocument, "A", "1")
	f.Add(`<safe><macro name="A" value="%B%%A%"/><service mode="%A%"/></safe>`, "B", "farm")
	f.Add("<a b='\"' c=\"'>\" b='1'></a>", "%", "%A%")
	f.Add("<safe a:b='1' b='2'>&#37;A&#37;</safe>", "", "")
	f.Add(utf16le(farmDocument), "x", "y")
	f.Add(`<cluster><lans><lan name="a"><node name="b" addr="::1"/></lan></lans></cluster>`, "x", "y")
	f.Add(`<safe><service mode="mirror"><failover>a<![CDATA[%A%]]></failover></service></safe>`, "A", "1")
	f.Fuzz(func(t *testing.T, document, name, value string) {
		if c, ps := ParseCluster([]byte(document), "cluster.xml"); (c == nil) != ps.Refused() {
			t.Errorf("cluster %v with %v", c, ps)
		}
		m, ps := parse(document, Options{Set: map[string]string{name: value}})
		if (m == nil) != ps.Refused() {
			t.Errorf("module %v with %v", m, ps)
		}
		_ = ps.Error()
		for _, p := range ps {
			if p.Pos.File == userconfig && p.Pos.Line < 0 {
				t.Errorf("no place: %v", p)
			}
		}
	})
}

func TestCore(t *testing.T) {
	m := withAddress(t, "web", "192.0.2.1")
	c := m.Core()
	if c.Name != "web" || c.Mode != core.Farm || !c.Shared || c.MaxLoop != 3 || c.LoopInterval != 24*time.Hour ||
		c.StartTimeout != 300*time.Second || c.NiceTimeout != 300*time.Second || c.ForceTimeout != 300*time.Second ||
		c.LeaveTimeout != 30*time.Second || len(c.Hooks) != 0 {
		t.Errorf("got %+v", c)
	}
	m, ps := Parse(fstest.MapFS{userconfig: {Data: []byte(farmDocument)}, "bin/prestart.lua": {}}, "web", Options{})
	if m == nil {
		t.Fatal(ps)
	}
	if c = m.Core(); c.Shared || !c.Hooks["prestart"] || len(c.Hooks) != 1 {
		t.Errorf("got %+v", c)
	}
}
