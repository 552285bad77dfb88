package accept_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// dnsScript stands for dnsmasq and finds the node's configuration by its address
// in the lab, because a lab's nodes share the machine's files.
const dnsScript = `#!/bin/sh
n=$(ip -4 -o addr show dev eth0 | sed -n 's/.* 10\.77\.0\.\([1-9]\)\/.*/\1/p' | head -n 1)
case " $* " in *" --test "*) exec %[2]s --test --conf-file=%[1]s/n$n.conf;; esac
exec %[2]s --keep-in-foreground --conf-file=%[1]s/n$n.conf --port=53 --pid-file
`

// The shipped dns_farm with the system's dnsmasq: each query is answered, by UDP
// and TCP, by several servers; one that is stopped is not missed. The cluster shares by the
// low bits of ports and addresses, as Windows nodes can.
func TestDNSFarm(t *testing.T) {
	s := build(t, "accdns", "dns_farm", func(o *lab.Options) { o.Hash = "low_bits" })
	script := fmt.Sprintf(dnsScript, s.root, tool(t, "dnsmasq"))
	texts := map[string]string{"dnsmasq.sh": script}
	for _, node := range everybody {
		texts[node+".conf"] = "user=root\nno-resolv\nno-hosts\ntxt-record=who.farm," + node + "\n"
	}
	for file, text := range texts {
		if err := os.WriteFile(filepath.Join(s.root, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.install(t, "--set", "PROGRAM="+filepath.Join(s.root, "dnsmasq.sh"), "--set", "CONFIG=/dev/null")
	ask := func(count int, how string) []string {
		var answers []string
		for range count {
			r := s.run(t, lab.Client, "dig", "+short", "+tries=1", "+time=2", how, "@"+vip, "who.farm", "txt")
			if r.code != 0 || !strings.HasPrefix(r.out, `"n`) {
				t.Errorf("dig %s: code %d: %s", how, r.code, r.text())
			}
			answers = append(answers, strings.Trim(strings.TrimSpace(r.out), `"`))
		}
		return answers
	}
	spread(t, "UDP", ask(30, "+notcp"))
	spread(t, "TCP", ask(30, "+tcp"))
	for port := 21001; port <= 21008; port++ {
		client := netip.AddrPortFrom(lab.ClientAddress(0), uint16(port))
		node := s.must(t, lab.Client, "dig", "+short", "+tries=1", "+time=2", "-b", fmt.Sprintf("%s#%d", client.Addr(), port), "@"+vip, "who.farm", "txt")
		if told := s.told(t, client, target(vip, 53), "udp"); strings.TrimSpace(node) != `"`+told+`"` {
			t.Errorf("explain says that %s gets %s, but %s does", client, told, node)
		}
	}
	s.do(t, "n2", "stop", s.module, "--node", "n2")
	for _, a := range ask(20, "+notcp") {
		if a == "n2" {
			t.Error("the node that was stopped still answers")
		}
	}
}
