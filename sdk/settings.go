package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// DecodeSettings reads settings into v, which holds the defaults. Names that v
// does not know are an error, as is anything after the JSON value. Empty
// settings leave v as it is.
func DecodeSettings(settings json.RawMessage, v any) error {
	if len(bytes.TrimSpace(settings)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(settings))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read settings: something follows the JSON value")
	}
	return nil
}

// Duration is a time span in settings: a text such as "500ms" or "10s", or a
// number of seconds.
type Duration time.Duration

// DurationPattern is the JSON Schema pattern of a Duration written as text.
const DurationPattern = `^([0-9]+(\\.[0-9]+)?|([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`

// UnmarshalJSON reads a text or a number of seconds; it must not be negative.
func (d *Duration) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		*d = Duration(seconds * float64(time.Second))
	} else if v, err := time.ParseDuration(text); err == nil {
		*d = Duration(v)
	} else {
		return fmt.Errorf("%q is not a time span; write for example \"10s\" or \"500ms\"", text)
	}
	if *d < 0 {
		return fmt.Errorf("time span %q is negative", text)
	}
	return nil
}

// MarshalJSON writes the span as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }
