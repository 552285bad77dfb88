package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/address"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/custom"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/dns"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/http"
	othermodule "github.com/orchestrator-ha/orchestrator/plugins/checker/module"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/ping"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/process"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/sql"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/tcp"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// checkedConfig is a module with one check of each kind.
const checkedConfig = `<safe><service mode="light">
	<user><var name="LIMIT" value="7"/></user>
	<errd polltimer="10"><proc name="nginx"/></errd>
	<check>
		<tcp ident="web" when="both"><to addr="127.0.0.1" port="80"/></tcp>
		<ping ident="router" when="pre"><to addr="2001:db8::1" interval="500ms" timeout="200ms"/></ping>
		<intf ident="lan"><to local_addr="10.0.0.0"/></intf>
		<intf ident="10.0.0.7"><to name="eth1"/></intf>
		<ip ident="10.0.0.7" when="both"><to addr="10.0.0.7" interval="2s"/></ip>
		<custom ident="own" when="both" exec="checks/queue.sh" arg="-v  fast" timeout="1m"/>
		<module name="db"/>
		<http ident="shop" when="both"><to url="https://127.0.0.1/health" ca="conf/ca.pem" verify="off"><header name="Host" value="shop"/></to></http>
		<http ident="plain" when="both"><to url="http://[::1]:8080"/></http>
		<sql ident="pg" when="both"><to driver="postgres" user="monitor" password_file="/etc/pg.password" tls="verify" ca="conf/ca.pem" answer="1"/></sql>
		<sql ident="my" when="pre"><to driver="mysql" socket="/run/mysqld.sock" user="monitor" database="shop"/></sql>
		<plugin name="disk" ident="data" when="both"><set name="path" value="/srv"/><set name="most" json="90"/></plugin>
		<dns ident="zone" when="both"><to name="example.org" type="MX" answer="mail"/></dns>
	</check>
</service></safe>`

func documented(t *testing.T, document string) *config.Module {
	t.Helper()
	files := fstest.MapFS{"conf/userconfig.xml": {Data: []byte(document)}, "conf/ca.pem": {}, "bin/checks/queue.sh": {}}
	conf, problems := config.Parse(files, "web", config.Options{})
	if conf == nil {
		t.Fatal(problems)
	}
	return conf
}

// Every check of a document has a plugin that takes its settings, and runs when
// the state machine wants it to.
func TestSpecs(t *testing.T) {
	mod := &module{m: &member{d: &Daemon{opt: Options{Home: "/h", Program: "/opt/o/orchestrator"}}}, dir: "/m", conf: documented(t, checkedConfig)}
	type place struct{}
	disk := sdk.Probe[place]{Name: "disk", Properties: `{"path": {"type": "string"}, "most": {"type": "integer"}}`, Look: func(context.Context, place) sdk.Result { return sdk.Up("") }}.Checker()
	plugins := map[string]*jsonschema.Resolved{}
	for _, p := range []sdk.Checker{tcp.New(), ping.New(), address.NewInterface(), address.NewAddress(), custom.New(nil), othermodule.New(), http.New(), dns.New(), process.New(), sql.New(), disk} {
		plugins[p.Describe().Name] = schemaOf(t, p)
	}
	var got []string
	for _, when := range []core.When{core.WhenPre, core.WhenBoth} {
		for _, s := range mod.specs([]core.When{when}) {
			got = append(got, fmt.Sprintf("%s %s by %s every %v %s", when, s.Resource, s.Plugin, s.Interval, s.Settings))
			schema := plugins[s.Plugin]
			if schema == nil {
				t.Errorf("there is no checker %s", s.Plugin)
				continue
			}
			var settings any
			if err := json.Unmarshal(s.Settings, &settings); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(settings); err != nil {
				t.Errorf("%s: %v", s.Resource, err)
			}
		}
	}
	want := []string{
		`pre ping.router by ping every 500ms {"addr":"2001:db8::1","timeout":"200ms"}`,
		`pre intf.lan by intf every 1s {"local_addr":"10.0.0.0"}`,
		`pre intf.10.0.0.7 by intf every 1s {"name":"eth1"}`,
		`pre module.db_127.0.0.1 by module every 10s {"addr":"127.0.0.1","module":"db","port":9010,"timeout":"5s"}`,
		`pre sql.my by sql every 5s {"addr":"127.0.0.1","answer":"","database":"shop","driver":"mysql","query":"SELECT 1","socket":"/run/mysqld.sock","timeout":"3s","tls":"off","user":"monitor"}`,
		`both tcp.web by tcp every 1s {"addr":"127.0.0.1","port":80,"timeout":"1s"}`,
		`both ip.10.0.0.7 by ip every 2s {"addr":"10.0.0.7"}`,
		`both custom.own by custom every 10s {"args":["web","custom.own","-v","fast"],"directory":"/m",` +
			`"env":{"LIMIT":"7","ORCHESTRATOR_HOME":"/h","SAFE":"/h/bin","SAFEBIN":"/h/bin","SAFEMODULE":"web","SAFEUSERBIN":"/m/bin","SAFEUSERCONF":"/m/conf","SAFEUSERVAR":"/h/output/web","SAFEVAR":"/h"},` +
			`"path":"/m/bin/checks/queue.sh","timeout":"1m0s","vars":{"LIMIT":"7"}}`,
		`both http.shop by http every 2s {"body":"","ca":"/m/conf/ca.pem","headers":{"Host":"shop"},"method":"GET","status":"200-399","timeout":"2s","url":"https://127.0.0.1/health","verify":false}`,
		`both http.plain by http every 2s {"body":"","headers":{},"method":"GET","status":"200-399","timeout":"2s","url":"http://[::1]:8080","verify":true}`,
		`both dns.zone by dns every 2s {"answer":"mail","name":"example.org","port":53,"server":"127.0.0.1","timeout":"2s","type":"MX"}`,
		`both sql.pg by sql every 5s {"addr":"127.0.0.1","answer":"1","ca":"/m/conf/ca.pem","database":"","driver":"postgres","password_file":"/etc/pg.password","query":"SELECT 1","timeout":"3s","tls":"verify","user":"monitor"}`,
		`both disk.data by disk every 10s {"most":90,"path":"/srv"}`,
		`both proc.nginx by process every 1s {"atleast":1,"atmax":-1,"name":"nginx","poll":"10s","service":false}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, c := range mod.conf.Checks() {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, string(c.When)+" "+c.Resource+" ") }) {
			t.Errorf("the state machine waits for %s with %q, which nothing checks", c.Resource, c.When)
		}
	}
}

func schemaOf(t *testing.T, p sdk.Checker) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(p.Describe().Schema, &s); err != nil {
		t.Fatal(err)
	}
	whole, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// What the daemon notices of a virtual address never stands for a check that has
// the address as its name.
func TestOwnName(t *testing.T) {
	conf := documented(t, checkedConfig)
	for name, want := range map[string]string{
		"ip.10.0.0.7": "ip.10.0.0.7.vip", "intf.10.0.0.7": "intf.10.0.0.7.vip", "ip.10.0.0.8": "ip.10.0.0.8", "intf.eth0": "intf.eth0",
	} {
		if got := ownName(conf, name); got != want {
			t.Errorf("%s is published as %s, want %s", name, got, want)
		}
	}
}
