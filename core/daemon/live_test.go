package daemon

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

const liveModule = `<safe>
  <service mode="farm" maxloop="3">
    <farm slow_start="0s"/>
    <vip>
      <interface_list><interface><virtual_interface type="vmac_directed"><virtual_addr addr="192.0.2.10"/></virtual_interface></interface></interface_list>
      <loadbalancing_list>
        <group name="web">
          <cluster><host name="n1" power="1"/></cluster>
          <rule port="80" proto="tcp" filter="on_port"/>
        </group>
      </loadbalancing_list>
    </vip>
  </service>
</safe>`

func parsed(t *testing.T, change ...string) (*config.Module, fstest.MapFS) {
	t.Helper()
	text := strings.NewReplacer(change...).Replace(liveModule)
	files := fstest.MapFS{"conf/userconfig.xml": {Data: []byte(text)}, "bin/start_both.lua": {Data: []byte("--")}}
	m, problems := config.Parse(files, "web", config.Options{})
	if m == nil || problems.Refused() {
		t.Fatal(problems)
	}
	return m, files
}

// TestWhatChangesLive: powers and slow_start do, and the places of things in the
// file; nothing else does.
func TestWhatChangesLive(t *testing.T) {
	base, files := parsed(t)
	for change, want := range map[[2]string]bool{
		{`power="1"`, `power="64"`}:                          true,
		{`slow_start="0s"`, `slow_start="30s"`}:              true,
		{`<host name="n1" power="1"/>`, `<host name="n2"/>`}: true,
		{`<vip>`, "\n\n<vip>"}:                               true,
		{`port="80"`, `port="81"`}:                           false,
		{`on_port`, `on_addr`}:                               false,
		{`group name="web"`, `group name="www"`}:             false,
		{`maxloop="3"`, `maxloop="4"`}:                       false,
		{`<farm `, `<farm lease="keep" `}:                    false,
	} {
		next, _ := parsed(t, change[0], change[1])
		if got, err := onlySharesDiffer(base, next); err != nil || got != want {
			t.Errorf("%s to %s: live %v, want %v (%v)", change[0], change[1], got, want, err)
		}
	}
	same := fstest.MapFS{"conf/userconfig.xml": {Data: []byte("other")}, "bin/start_both.lua": files["bin/start_both.lua"]}
	if ok, err := sameFiles(files, same); !ok || err != nil {
		t.Errorf("another description alone: %v %v", ok, err)
	}
	same["bin/start_both.lua"] = &fstest.MapFile{Data: []byte("-- new")}
	if ok, err := sameFiles(files, same); ok || err != nil {
		t.Errorf("another hook: %v %v", ok, err)
	}
}
