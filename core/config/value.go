package config

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// value is an attribute's value, checked.
type value struct {
	text   string // macros expanded; the default if it is not written
	ok     bool   // usable: problems have been reported otherwise
	set    bool   // written in the document
	star   bool
	number int64
	span   time.Duration
	addr   netip.Addr
	addrs  []netip.Addr
	mac    share.MAC
	times  Times
	at     span
	macros []string // that it was made of
}

// named is a value that stands for a name where this one is written.
func (v value) named(text string) value {
	v.text = text
	return v
}

// convert fills in the typed form. The error is for people, hint what would be
// right.
func (v *value) convert(a *Attribute) (id, hint string, err error) {
	if a.Star && v.text == "*" {
		v.star = true
		return "", "", nil
	}
	switch a.Kind {
	case KindName:
		return idName, "use letters, digits, _ - and .", checkName(v.text)
	case KindNumber:
		v.number, err = number(v.text, a.Min, a.Max)
		return idNumber, "", err
	case KindDuration:
		v.span, hint, err = duration(v.text, a.Unit)
		grain := cmp.Or(a.Grain, a.Unit)
		switch {
		case err != nil:
		case v.span > 0 && v.span < unitSize(grain):
			hint, err = "write at least 1"+grain, fmt.Errorf("%s rounds to 0%s", v.text, grain)
		case v.span < time.Duration(a.Min)*time.Millisecond:
			err = fmt.Errorf("%s is too short, the least is %dms", v.text, a.Min)
		}
		return idDuration, hint, err
	case KindChoice:
		hint, err = choice(v.text, a)
		return idValue, hint, err
	case KindAddress:
		v.addr, hint, err = address(v.text)
		return idAddress, hint, err
	case KindResolved:
		clean, _, noHost := host(v.text)
		v.addr, hint, err = address(clean)
		if _, noAddress := netip.ParseAddr(clean); noHost == nil && noAddress != nil {
			v.addr, err = netip.Addr{}, nil // a name: parser.resolve goes on
		}
		return idAddress, hint, err
	case KindPort:
		v.number, err = port(v.text, a.Star)
		return idPort, "", err
	case KindNetmask:
		v.number, err = netmask(v.text)
		return idAddress, "write 255.255.255.0 or 24", err
	case KindRegex:
		if _, err = regexp.Compile(v.text); err != nil {
			err = fmt.Errorf("not a regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		return idRegex, "", err
	case KindTimes:
		v.times, err = times(v.text)
		return idTimes, timesHint, err
	case KindAddresses:
		v.addrs, hint, err = addresses(v.text)
		return idAddress, hint, err
	case KindHost:
		v.text, hint, err = host(v.text)
		return idAddress, hint, err
	case KindFolder:
		return idPath, "write the whole path, such as /srv/data", folder(v.text)
	case KindPath:
		return idPath, "write a path below the folder, such as conf/app.conf", below(v.text)
	case KindMAC:
		v.mac, err = unicastMAC(v.text)
		return idAddress, "write six bytes in hex, such as 5A:FE:C0:00:02:0A", err
	case KindText:
	}
	return "", "", nil
}

// isDefault says whether a value that was converted is what holds without it,
// however it is written: 30 and 30s are the same.
func (v value) isDefault(a *Attribute) bool {
	if v.text == a.Default || a.Kind != KindDuration && a.Kind != KindNumber {
		return v.text == a.Default
	}
	d := value{text: a.Default}
	_, _, err := d.convert(a)
	return err == nil && d.span == v.span && d.number == v.number
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

func checkName(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("the name is empty")
	case len(s) > 64:
		return fmt.Errorf("the name %q has more than 64 characters", short(s))
	case !namePattern.MatchString(s):
		return fmt.Errorf("%q cannot be a name", short(s))
	}
	return nil
}

// ValidName says whether s can name a module: letters, digits, _ - and ., not
// beginning with - or ., 64 characters at most.
func ValidName(s string) error { return checkName(s) }

func number(s string, least, most int64) (int64, error) {
	text, base := strings.TrimSpace(s), 10
	if digits, hex := strings.CutPrefix(text, "0x"); hex {
		text, base = digits, 16
	}
	n, err := strconv.ParseInt(text, base, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a whole number", short(s))
	case n < least && most == 0:
		return 0, fmt.Errorf("%d is too small, the least is %d", n, least)
	case n < least || most != 0 && n > most:
		return 0, fmt.Errorf("%d is out of range: %d to %d", n, least, most)
	}
	return n, nil
}

func port(s string, star bool) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port number%s", short(s), map[bool]string{true: " or *"}[star])
	}
	if n < 1 || n > math.MaxUint16 {
		return 0, fmt.Errorf("port %d is out of range: 1 to 65535", n)
	}
	return n, nil
}

func choice(s string, a *Attribute) (hint string, err error) {
	if slices.Contains(a.Values, s) {
		return "", nil
	}
	hint = "possible values are " + strings.Join(a.Values, ", ")
	if near := diag.Nearest(s, a.Values); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	return hint, fmt.Errorf("%q is not a value of %s", short(s), a.Name)
}

// duration reads 1h30m, 500ms, or a bare number in the attribute's own unit.
func duration(s, unit string) (d time.Duration, hint string, err error) {
	hint = fmt.Sprintf("write a whole number and a unit (d h m s ms us), such as 10s; a bare number is in %s", unit)
	rest := strings.TrimSpace(s)
	if rest == "" {
		return 0, hint, fmt.Errorf("the duration is empty")
	}
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, hint, fmt.Errorf("%q is not a duration", short(s))
		}
		rest = rest[digits:]
		word := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))]
		rest = rest[len(word):]
		if word == "" && rest == "" && digits == len(strings.TrimSpace(s)) {
			word = unit
		}
		size := unitSize(word)
		if size == 0 {
			return 0, hint, fmt.Errorf("%q is not a duration", short(s))
		}
		if n > int64((math.MaxInt64-d)/size) {
			return 0, "", fmt.Errorf("%s is too long", short(s))
		}
		d += time.Duration(n) * size
	}
	return d, "", nil
}

func unitSize(unit string) time.Duration {
	switch unit {
	case "d":
		return 24 * time.Hour
	case "h":
		return time.Hour
	case "m":
		return time.Minute
	case "s":
		return time.Second
	case "ms":
		return time.Millisecond
	case "us":
		return time.Microsecond
	}
	return 0
}
