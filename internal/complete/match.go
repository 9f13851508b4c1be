package complete

import "strings"

// Choice is a value that can be typed.
type Choice struct {
	Value string
	Words string // other words that it is known by, such as a name; may be empty
}

// Values makes a Choice of each value.
func Values(values []string) []Choice {
	all := make([]Choice, len(values))
	for i, v := range values {
		all[i] = Choice{Value: v}
	}
	return all
}

// most is how many values the protocol allows in one answer.
const most = 100

// Guess is the choices that fit, best first, as many as may be shown.
type Guess struct {
	Values []string
	Total  int // how many fit
	More   bool
}

// Match finds the choices that begin with what was typed, then those that
// contain it, each once. Case does not matter, and an underscore is a space.
func Match(typed string, all []Choice) Guess {
	typed = fold(strings.TrimSpace(typed))
	seen := map[string]bool{}
	values := []string{}
	for _, fits := range []func(s, part string) bool{strings.HasPrefix, strings.Contains} {
		for _, c := range all {
			if !seen[c.Value] && c.Value != "" && (fits(fold(c.Value), typed) || fits(fold(c.Words), typed)) {
				seen[c.Value] = true
				values = append(values, c.Value)
			}
		}
	}
	return Guess{Values: values[:min(most, len(values))], Total: len(values), More: len(values) > most}
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", " ") }
