package load

import "time"

// failure is a failed attempt: its number on the schedule and when it started.
type failure struct {
	seq   int64
	start time.Duration
	lost  bool // there was no connection
}

// failures are kept in the order of seq. They come nearly so: an attempt fails
// at most a time-out after its start.
type failures []failure

func (f *failures) add(one failure) {
	list := append(*f, one)
	for i := len(list) - 1; i > 0 && list[i-1].seq > list[i].seq; i-- {
		list[i-1], list[i] = list[i], list[i-1]
	}
	*f = list
}

// outages groups failures; separator or more attempts between two that did not
// fail part two outages.
func (f failures) outages(interval time.Duration, separator int) []Outage {
	found := []Outage{}
	for begin := 0; begin < len(f); {
		end := begin
		for end+1 < len(f) && f[end+1].seq-f[end].seq-1 < int64(separator) {
			end++
		}
		o := Outage{
			AtMS:   ms(f[begin].start),
			MS:     ms(f[end].start - f[begin].start + interval),
			Failed: end - begin + 1,
		}
		for _, one := range f[begin : end+1] {
			if one.lost {
				o.Lost++
			}
		}
		found = append(found, o)
		begin = end + 1
	}
	return found
}
