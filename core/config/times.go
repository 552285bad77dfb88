package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Times are moments that come again, as a line of a crontab says them (POSIX, crontab).
// The zero Times never come.
type Times struct {
	text string
	rule cron.Schedule
}

// Next is the first of them after a time; zero if there is none.
func (t Times) Next(after time.Time) time.Time {
	if t.rule == nil {
		return time.Time{}
	}
	return t.rule.Next(after)
}

// Never says that they are none.
func (t Times) Never() bool { return t.rule == nil }

func (t Times) String() string { return t.text }

// MarshalText writes them as they were written.
func (t Times) MarshalText() ([]byte, error) { return []byte(t.text), nil }

const timesHint = `write minute, hour, day of the month, month and day of the week, such as "0 22 * * *" for ten in the evening`

// times reads Times.
func times(s string) (Times, error) {
	text := strings.Join(strings.Fields(s), " ")
	if strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=") {
		return Times{}, errors.New("a time zone cannot be named: times are the server's")
	}
	rule, err := cron.ParseStandard(text)
	if err != nil {
		return Times{}, fmt.Errorf("%q is not how a crontab says a time: %w", short(s), err)
	}
	if rule.Next(time.Now()).IsZero() {
		return Times{}, fmt.Errorf("%q never comes", short(s))
	}
	return Times{text, rule}, nil
}
