package main

import (
	"errors"
	"maps"
	"net/netip"
	"strings"
	"testing"
)

func TestParseAddresses(t *testing.T) {
	for _, c := range []struct {
		given []string
		want  map[string]string
		error string
	}{
		{given: nil, want: map[string]string{}},
		{given: []string{"10.0.0.1"}, want: map[string]string{"default": "10.0.0.1"}},
		{given: []string{"backup=10.1.0.1", "10.0.0.1"}, want: map[string]string{"default": "10.0.0.1", "backup": "10.1.0.1"}},
		{given: []string{"lan=2001:db8::1"}, want: map[string]string{"lan": "2001:db8::1"}},
		{given: []string{"10.0.0.1/24"}, error: "is not ADDRESS"},
		{given: []string{"=10.0.0.1"}, error: "is not ADDRESS"},
		{given: []string{"10.0.0.1", "default=10.0.0.2"}, error: "has two addresses"},
	} {
		got, err := parseAddresses("address", c.given)
		switch {
		case c.error != "":
			var usage *usageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.error) {
				t.Errorf("%q: error %v, want a usage error with %q", c.given, err, c.error)
			}
		case err != nil || !maps.Equal(got, c.want):
			t.Errorf("%q: %v, %v; want %v", c.given, got, err, c.want)
		}
	}
}

func TestGuessAddress(t *testing.T) {
	one := []candidate{{"eth0", netip.MustParseAddr("10.0.0.1")}}
	if got, err := guessAddress(one); err != nil || got != one[0].addr {
		t.Errorf("one address: %v, %v", got, err)
	}
	if _, err := guessAddress(nil); err == nil {
		t.Error("no address: no error")
	}
	_, err := guessAddress(append(one, candidate{"eth1", netip.MustParseAddr("10.1.0.1")}))
	if err == nil || !strings.Contains(err.Error(), "--address 10.0.0.1 (eth0)") || !strings.Contains(err.Error(), "--address 10.1.0.1 (eth1)") {
		t.Errorf("two addresses: %v", err)
	}
}

func TestThisNode(t *testing.T) {
	name, addresses, err := thisNode("", []string{"10.0.0.1"}, func() (string, error) { return "web1.example.org", nil })
	if name != "web1" || addresses["default"] != "10.0.0.1" || err != nil {
		t.Errorf("got %q %v %v", name, addresses, err)
	}
	_, _, err = thisNode("", nil, func() (string, error) { return "", errors.New("no name") })
	if err == nil || !strings.Contains(err.Error(), "--name") {
		t.Errorf("without a host name: %v", err)
	}
}
