package mirror

import (
	"fmt"
	"slices"
	"strings"
)

// Generation names a state of the data: all that was written from one moment at
// which only one copy went on until the next. It is a random number; 0 is none.
type Generation uint64

func (g Generation) String() string {
	if g == 0 {
		return "none"
	}
	return fmt.Sprintf("%016x", uint64(g))
}

// MaxHistory is how many former generations a copy remembers. A peer that fell
// further behind is taken for unrelated, never for equal.
const MaxHistory = 16

// Generations is what is known of one copy. It is stored durably with the copy
// and is a value: methods return changed ones.
type Generations struct {
	// Current is the generation of the data here.
	Current Generation `json:"current"`
	// Bitmap is the oldest generation whose copy becomes current by copying the
	// dirty zones. It is none when nothing is recorded for the peer.
	Bitmap Generation `json:"bitmap,omitempty"`
	// History holds former generations, the latest first.
	History []Generation `json:"history,omitempty"`

	// Filling is the source's generation of a resynchronisation into this copy that
	// has begun and is not complete: the copy is inconsistent, a mixture of the two.
	Filling Generation `json:"filling,omitempty"`
	// Outdated: the peer is known to have gone on without this copy.
	Outdated bool `json:"outdated,omitempty"`
	// Primary: the application runs here, or ran when this node crashed.
	Primary bool `json:"primary,omitempty"`
	// Unclean: the copy was in use and was not closed in order. What was written
	// last may be on one of the two disks only.
	Unclean bool `json:"unclean,omitempty"`
}

// Check says what is impossible in g, which then was damaged or edited.
func (g Generations) Check() error {
	seen := append([]Generation{g.Current}, g.History...)
	for i, x := range seen {
		if x == 0 && (i > 0 || len(seen) > 1 || g.Bitmap != 0 || g.Primary) {
			return fmt.Errorf("generations %s: a copy without data cannot have a past", g)
		}
		if slices.Contains(seen[:i], x) {
			return fmt.Errorf("generations %s: %s is listed twice", g, x)
		}
	}
	switch {
	case len(g.History) > MaxHistory:
		return fmt.Errorf("generations %s: %d former generations, at most %d are kept", g, len(g.History), MaxHistory)
	case g.Bitmap == g.Current && g.Current != 0:
		return fmt.Errorf("generations %s: the bitmap begins at the current generation", g)
	case g.Inconsistent() && g.Primary:
		return fmt.Errorf("generations %s: an inconsistent copy cannot be primary", g)
	}
	return nil
}

func (g Generations) String() string {
	var flags []string
	for _, f := range []struct {
		on   bool
		name string
	}{{g.Inconsistent(), "filling from " + g.Filling.String()}, {g.Outdated, "outdated"}, {g.Primary, "primary"}, {g.Unclean, "unclean"}} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	s := fmt.Sprintf("%s:%s:%v", g.Current, g.Bitmap, g.History)
	if len(flags) > 0 {
		s += " " + strings.Join(flags, ",")
	}
	return s
}

// fork begins generation fresh: from now on the peer may lack what is written
// here. The bitmap goes on if there is one, and starts here otherwise.
func (g Generations) fork(fresh Generation) Generations {
	if g.Bitmap == 0 {
		g.Bitmap = g.Current
	}
	if g.Current != 0 {
		past := append([]Generation{g.Current}, g.History...)
		g.History = past[:min(len(past), MaxHistory)]
	}
	g.Current = fresh
	return g
}

// Alone is g of a primary that goes on without its peer. It is to be durable
// before anything is acknowledged that the peer does not have.
func (g Generations) Alone(fresh Generation) Generations { return g.fork(fresh) }

// Promoted is g of a node that becomes primary. It is to be durable before the
// application may write.
func (g Generations) Promoted(fresh Generation) Generations {
	g = g.fork(fresh)
	g.Primary, g.Unclean, g.Outdated = true, true, false
	return g
}

// Joined is g of a copy that is to hold the same as source, which sent its
// generations: all that was to be copied is durable here.
func (g Generations) Joined(source Generations) Generations {
	return Generations{Current: source.Current, History: slices.Clone(source.History), Unclean: true}
}

// Filled is g of a copy into which a resynchronisation from source begins. It is
// to be durable before the first zone is written.
func (g Generations) Filled(source Generation) Generations {
	g.Filling, g.Outdated, g.Primary, g.Unclean = source, true, false, true
	return g
}

// Inconsistent says that a resynchronisation into this copy is not complete.
func (g Generations) Inconsistent() bool { return g.Filling != 0 }

// Whole is g of a source whose peer has said that Joined is durable there:
// nothing is recorded for it any more.
func (g Generations) Whole() Generations {
	g.Bitmap = 0
	return g
}

// Closed is g of a copy that was closed in order. Of two that were connected, all
// that was written is durable on both.
func (g Generations) Closed() Generations {
	g.Primary, g.Unclean = false, false
	return g
}

// reaches says that the dirty zones of g are all that a copy of generation old
// lacks: old is where the bitmap began, or came after.
func (g Generations) reaches(old Generation) bool {
	if g.Bitmap == 0 || old == 0 {
		return false
	}
	begin := slices.Index(g.History, g.Bitmap)
	at := slices.Index(g.History, old)
	return old == g.Bitmap || at >= 0 && (begin < 0 || at <= begin)
}

// resumes says that a resynchronisation which target began can go on with the
// zones that g still has recorded: it came from g, as it is or as it was. Otherwise
// target may hold what g's record knows nothing of.
func (g Generations) resumes(target Generations) bool {
	return !target.Inconsistent() || g.Current == target.Filling || g.passed(target.Filling)
}

// passed says that g was at generation old once.
func (g Generations) passed(old Generation) bool {
	return old != 0 && (g.Bitmap == old || slices.Contains(g.History, old))
}

// ancestors are the generations that g went through, the latest first.
func (g Generations) ancestors() []Generation {
	past := slices.Clone(g.History)
	if g.Bitmap != 0 && !slices.Contains(past, g.Bitmap) {
		past = append(past, g.Bitmap)
	}
	return past
}
