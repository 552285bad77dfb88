package replication

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	var m meter
	begin := time.Unix(1000, 0)
	at := func(second int, sent uint64, copied int64) {
		m.read(reading{begin.Add(time.Duration(second) * time.Second), sent, copied})
	}
	want := func(sent, copied int64) {
		t.Helper()
		if s, c := m.rates(); s != sent || c != copied {
			t.Errorf("%d and %d bytes a second, want %d and %d", s, c, sent, copied)
		}
	}
	want(0, 0)
	at(0, 500, 0)
	want(0, 0) // of one look nothing follows
	at(1, 800, 50)
	want(300, 50)
	at(2, 1100, 100)
	at(3, 1400, 150)
	at(4, 1400, 1050) // the first is forgotten
	want(200, 333)
	at(5, 90, 0) // another session
	want(0, 0)
	at(6, 100, 0)
	want(10, 0)
}
