package tool

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns up to most of the names that are spelled like s, best first,
// ignoring case and the difference between space, dash and underscore.
func Nearest(s string, names []string, most int) []string {
	type scored struct {
		name string
		far  int
	}
	want := fold(s)
	var all []scored
	for _, name := range names {
		have := fold(name)
		far := distance(want, have)
		if min(len(want), len(have)) > 2 && (strings.Contains(have, want) || strings.Contains(want, have)) {
			far = min(far, 1)
		}
		if far <= max(2, len(want)/2) && have != "" {
			all = append(all, scored{name, far})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(a.far, b.far) })
	near := make([]string, 0, most)
	for _, c := range all[:min(most, len(all))] {
		near = append(near, c.name)
	}
	return near
}

func fold(s string) string {
	return strings.NewReplacer("_", "", " ", "", "-", "").Replace(strings.ToLower(s))
}

// distance is the number of single-byte edits between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
