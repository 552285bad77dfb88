package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The largest documents that are read at all are judged in a moment, whatever
// is in them.
func TestLargeDocuments(t *testing.T) {
	address := func(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>14, i>>7&127, i&127+1) }
	vip := func(rules bool) string {
		var a, r strings.Builder
		for i := range 2700 {
			fmt.Fprintf(&a, `<virtual_addr addr="%s"/>`, address(i))
			if rules {
				fmt.Fprintf(&r, `<rule virtual_addr="%s" proto="tcp"/>`, address(i))
			}
		}
		return `<service mode="farm"><vip><interface_list><interface><virtual_interface>` + a.String() + `</virtual_interface></interface></interface_list>` +
			`<loadbalancing_list><group name="g">` + r.String() + `<rule proto="tcp"/></group></loadbalancing_list></vip></service>`
	}
	repeat := func(head, tail string, n int, each func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(each(i))
		}
		return head + b.String() + tail
	}
	for name, document := range map[string]string{
		"addresses and rules": vip(true),
		"unknown elements":    repeat(`<service mode="farm">`, `</service>`, 60000, func(int) string { return "<x/>" }),
		"folders":             repeat(`<service mode="mirror"><rfs>`, `</rfs></service>`, 8000, func(i int) string { return fmt.Sprintf(`<replicated dir="/d/%d"/>`, i) }),
		"nested folders":      repeat(`<service mode="mirror"><rfs>`, `</rfs></service>`, 400, func(i int) string { return `<replicated dir="` + strings.Repeat("/d", i+1) + `"/>` }),
		"macros":              repeat(``, `<service mode="farm"/>`, 5000, func(i int) string { return fmt.Sprintf(`<macro name="m%d" value="%%m%d%%"/>`, i, i+1) }),
		"doubling macros":     repeat(``, `<macro name="m20" value="xxxxxxxxxx"/><service mode="farm"><user><var name="a" value="%m0%"/></user></service>`, 20, func(i int) string { return fmt.Sprintf(`<macro name="m%d" value="%%m%d%%%%m%d%%"/>`, i, i+1, i+1) }),
		"attributes":          `<service mode="farm" ` + repeat("", "", 20000, func(i int) string { return fmt.Sprintf(`a%d="1" `, i) }) + `/>`,
		"processes":           repeat(`<service mode="farm"><user/><errd>`, `</errd></service>`, 8000, func(i int) string { return fmt.Sprintf(`<proc name="p%d"/>`, i) }),
	} {
		document = "<safe>" + document + "</safe>"
		if len(document) > maxDocument {
			t.Errorf("%s: %d bytes are not read", name, len(document))
		}
		const most = 5 * time.Second // a fifth of a second is usual
		best := time.Hour
		for try := 0; try < 5 && best > most; try++ { // the machine may stand still meanwhile
			begun := time.Now()
			m, ps := parse(document, Options{})
			best = min(best, time.Since(begun))
			t.Logf("%s: %d bytes took %s, %d problems, refused: %t", name, len(document), best.Round(time.Millisecond), len(ps), m == nil)
		}
		if best > most {
			t.Errorf("%s took %s", name, best)
		}
	}
}
