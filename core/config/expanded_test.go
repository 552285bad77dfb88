package config

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// The document as scripts read it: macros replaced wherever they may stand, defaults
// filled in, values as they were written, rules in Lua as they are.
func TestExpanded(t *testing.T) {
	m, problems := Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(`<!-- remark -->
<safe>
  <macro name="PORT" value="80"/>
  <macro name="NAME" value="a &amp; &quot;b&quot;"/>
  <service mode="light">
    <user><var name="X" value="%NAME% on %PORT%"/></user>
    <check><tcp ident="web"><to addr="127.0.0.1" port="%PORT%" interval="10"/></tcp></check>
    <failover><![CDATA[
a: if (tcp.web == down) then stop(); // %PORT% < 100
]]><![CDATA[--Lua Rules %PORT%
]]></failover>
  </service>
</safe>`)}}, "web", Options{Set: map[string]string{"PORT": "88"}, System: "linux"})
	if m == nil {
		t.Fatal(problems)
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<safe>
  <macro name="PORT" value="88"/>
  <macro name="NAME" value="a &amp; &#34;b&#34;"/>
  <service mode="light" boot="ignore" boot_delay="0s" failover="on" defaultprim="alone" maxloop="3" loop_interval="24h" automatic_reboot="off">
    <user nicestoptimeout="300s" forcestoptimeout="300s" starttimeout="300s" logging="userlog" userlogsize="2048">
      <var name="X" value="a &amp; &#34;b&#34; on 88"/>
    </user>
    <check>
      <tcp ident="web" when="both">
        <to addr="127.0.0.1" port="88" interval="10" timeout="1s"/>
      </tcp>
    </check>
    <failover extends="yes" period="5000ms" handle_time="15000ms">&#xA;a: if (tcp.web == down) then stop(); // 88 &lt; 100&#xA;--Lua Rules 88&#xA;</failover>
  </service>
</safe>
`
	if got := string(m.Expanded()); got != want {
		t.Errorf("got\n%s", got)
	}
}

// Of every module an XML document comes out in which no macro is left.
func TestExpandedIsWellFormed(t *testing.T) {
	for _, c := range corpus(t, "testdata/good/*.txtar") {
		m, problems := c.parse()
		if m == nil {
			t.Fatal(c.file, problems)
		}
		for d := xml.NewDecoder(bytes.NewReader(m.Expanded())); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v in\n%s", c.file, err, m.Expanded())
			}
			start, _ := token.(xml.StartElement)
			for _, a := range start.Attr {
				if slices.ContainsFunc(m.Macros, func(m Macro) bool { return strings.Contains(a.Value, "%"+m.Name+"%") }) {
					t.Errorf("%s: %s=%q", c.file, a.Name.Local, a.Value)
				}
			}
		}
	}
}
