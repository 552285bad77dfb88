package tcp

import "testing"

func BenchmarkCheck(b *testing.B) {
	l, port := listen(b)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	c, s := New(), config(port)
	for b.Loop() {
		if r := c.Check(b.Context(), s); r.Reason != "" {
			b.Fatal(r)
		}
	}
}
