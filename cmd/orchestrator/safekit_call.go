package main

import (
	"fmt"
	"slices"
	"strings"
)

// reach says what -H does to a command.
type reach int

const (
	here       reach = iota // refused: the command is about this server
	onHosts                 // the command is carried out on the servers that are named
	fromHosts               // the command shows what these servers tell, one after the other
	everywhere              // accepted: what the command changes or shows is that of all servers
)

// old is a command of SafeKit.
type old struct {
	words string // "module install"
	args  string // as help shows them; the arguments are read by it, see options
	now   string // what to type instead; empty if there is nothing
	note  string // what is different, or why there is nothing; half a sentence
	reach reach
	run   func(*safekit, call) error
}

// spelling is the whole command, as help shows it.
func (o old) spelling() string { return strings.TrimSpace(o.words + " " + o.args) }

func (o old) wantsModule() bool {
	return slices.ContainsFunc(o.options(), func(p option) bool { return p.flag == "-m" })
}

func (o old) needsModule() bool {
	return slices.ContainsFunc(o.options(), func(p option) bool { return p.flag == "-m" && p.must })
}

// option is one argument of a command.
type option struct {
	flag  string // "-m"; empty for one without a flag
	value string // what it takes, as shown: "AM", "up|down"; empty for a flag alone
	must  bool   // outside of brackets
	many  bool   // takes all that follows, as it is
}

// choices are the values that an argument may have; nil if any.
func (p option) choices() []string {
	if !strings.Contains(p.value, "|") {
		return nil
	}
	return strings.Split(p.value, "|")
}

// options reads the arguments as they are shown: [-m AM] [-v|-lq] on|off "msg"….
func (o old) options() []option {
	text := strings.NewReplacer("[", " [ ", "]", " ] ", "|-", " ] [ -").Replace(o.args)
	var list []option
	depth, open := 0, false // open: a flag waits for its value
	for _, word := range strings.Fields(text) {
		switch {
		case word == "[":
			depth, open = depth+1, false
		case word == "]":
			depth, open = depth-1, false
		case strings.HasPrefix(word, "-"):
			flag, value, ok := strings.Cut(word, "=")
			list = append(list, option{flag: flag, value: value, must: depth == 0})
			open = !ok
		case open:
			list[len(list)-1].value = word
			open = false
		default:
			list = append(list, option{value: strings.TrimSuffix(word, "…"), must: depth == 0, many: strings.HasSuffix(word, "…")})
		}
	}
	return list
}

// call is a command with its arguments.
type call struct {
	old    *old
	has    map[string]bool   // flags that were given
	val    map[string]string // values of flags
	args   []string          // the rest
	remote bool              // -H was given
	hosts  []string          // of -H; none means all
}

func (c call) module() string { return c.val["-m"] }

// arg is the nth argument without a flag, empty if there is none.
func (c call) arg(n int) string {
	if n < len(c.args) {
		return c.args[n]
	}
	return ""
}

// read reads the arguments of the command.
func (c *call) read(args []string) error {
	options := c.old.options()
	var plain []option
	for _, p := range options {
		if p.flag == "" {
			plain = append(plain, p)
		}
	}
	for i := 0; i < len(args); i++ {
		word := args[i]
		flag, value, joined := word, "", false
		if strings.HasPrefix(word, "-") {
			flag, value, joined = strings.Cut(word, "=")
		}
		at := slices.IndexFunc(options, func(p option) bool { return p.flag != "" && p.flag == flag })
		switch {
		case at < 0 && len(plain) > len(c.args) && plain[len(c.args)].many:
			c.args = append(c.args, c.trailing(options, args[i:])...)
			return c.complete(options, plain)
		case at < 0 && strings.HasPrefix(word, "-"):
			return fmt.Errorf("%s is no argument of %s", word, c.old.words)
		case at < 0 && len(c.args) >= len(plain):
			return fmt.Errorf("%q is too much for %s", word, c.old.words)
		case at < 0:
			if err := plain[len(c.args)].check(word); err != nil {
				return err
			}
			c.args = append(c.args, word)
			continue
		}
		c.has[flag] = true
		if options[at].value == "" {
			continue
		}
		if !joined {
			if i++; i >= len(args) {
				return fmt.Errorf("%s wants %s", flag, options[at].value)
			}
			value = args[i]
		}
		if err := options[at].check(value); err != nil {
			return err
		}
		c.val[flag] = value
	}
	return c.complete(options, plain)
}

// trailing reads the flags that stand behind a text, and answers the text: printi TEXT -m
// AM.
func (c *call) trailing(options []option, words []string) []string {
	for len(words) > 2 {
		flag, value := words[len(words)-2], words[len(words)-1]
		if c.has[flag] || !slices.ContainsFunc(options, func(p option) bool { return p.flag != "" && p.flag == flag && p.value != "" }) {
			break
		}
		c.has[flag], c.val[flag] = true, value
		words = words[:len(words)-2]
	}
	return words
}

func (p option) check(value string) error {
	if all := p.choices(); all != nil && !slices.Contains(all, value) {
		return fmt.Errorf("%q is none of %s", value, strings.Join(all, ", "))
	}
	return nil
}

// complete says what is missing; the module may come from the environment.
func (c *call) complete(options, plain []option) error {
	for _, p := range options {
		if p.flag != "" && p.flag != "-m" && p.must && !c.has[p.flag] {
			return fmt.Errorf("%s %s is missing", p.flag, p.value)
		}
	}
	for i, p := range plain {
		if p.must && i >= len(c.args) {
			return fmt.Errorf("%s is missing", p.value)
		}
	}
	return nil
}
