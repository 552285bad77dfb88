package http

import (
	"fmt"
	"strconv"
	"strings"
)

// statusPattern is what the text of ranges looks like.
const statusPattern = `^[1-9][0-9]{2}(-[1-9][0-9]{2})?( +[1-9][0-9]{2}(-[1-9][0-9]{2})?)*$`

// ranges are status codes, both ends included.
type ranges [][2]int

// parseStatus reads "200 204 300-399".
func parseStatus(text string) (ranges, error) {
	var all ranges
	for _, part := range strings.Fields(text) {
		low, high, both := strings.Cut(part, "-")
		if !both {
			high = low
		}
		a, err := strconv.Atoi(low)
		if err != nil {
			return nil, fmt.Errorf("status %q: write codes and ranges, such as 200 300-399", part)
		}
		b, err := strconv.Atoi(high)
		if err != nil || b < a {
			return nil, fmt.Errorf("status %q: write codes and ranges, such as 200 300-399", part)
		}
		all = append(all, [2]int{a, b})
	}
	return all, nil
}

func (r ranges) hold(code int) bool {
	for _, x := range r {
		if code >= x[0] && code <= x[1] {
			return true
		}
	}
	return false
}
