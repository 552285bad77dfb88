package diag

import "strings"

// Nearest is the candidate that word was most likely meant to be, or "" if none
// is close: at most a third of the longer word's characters may differ
// (Levenshtein distance, an exchange of neighbours is one difference, letter
// case not counted). Of equals the first wins.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", -1
	if len(word) > 64 {
		return "" // no name is that long; the cost grows with it
	}
	for _, c := range candidates {
		d := distance([]rune(strings.ToLower(word)), []rune(strings.ToLower(c)))
		limit := max(1, max(len([]rune(word)), len([]rune(c)))/3)
		if d <= limit && (bestDistance < 0 || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the number of characters to insert, delete or replace, or of
// neighbours to exchange, to make b of a.
func distance(a, b []rune) int {
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		older, old, row = old, row, older
		row[0] = i + 1
		for j := range b {
			cost := old[j]
			if a[i] != b[j] {
				cost++
			}
			cost = min(cost, old[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cost = min(cost, older[j-1]+1)
			}
			row[j+1] = cost
		}
	}
	return row[len(b)]
}
