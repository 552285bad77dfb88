package pluginhost

import (
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

func testLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestPluginLogs(t *testing.T) {
	var b strings.Builder
	l := logReader{log: testLog(&b), tail: &tail{}}
	l.read(strings.NewReader(`{"time":"x","level":"WARN","msg":"low","n":1}` + "\n" +
		`{"@level":"error","@message":"high","@timestamp":"x"}` + "\n" + "plain\n" + `{"@message":5}` + "\n" +
		strings.Repeat("x", 3*maxLine) + "\npanic: boom\n"))
	got := regexp.MustCompile(`x{100,}`).ReplaceAllString(b.String(), "xxx")
	want := "level=WARN msg=low n=1\nlevel=ERROR msg=high\nlevel=WARN msg=plain\nlevel=INFO msg=\"\"\nlevel=WARN msg=xxx\nlevel=WARN msg=\"panic: boom\"\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if l.tail.String() != "panic: boom" {
		t.Errorf("tail %q", l.tail)
	}
}
