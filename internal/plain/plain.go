// Package plain makes text from outside safe to show: to a person who is asked
// to approve something, on a terminal, and to a model that might take it for
// instructions.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s as one line without control, bidirectional-override or
// invisible characters, cut to most bytes at a rune's edge.
func Line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case hidden(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return Cut(strings.TrimSpace(s), most)
}

// Text is Line for text of several lines: newlines and tabs stay.
func Text(s string, most int) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return '\n'
		case hidden(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return Cut(s, most)
}

// Fence puts text from outside between marks, which it cannot close.
func Fence(text string) string {
	return "<<<\n" + strings.ReplaceAll(strings.TrimRight(text, "\n"), ">>>", "> > >") + "\n>>>\n"
}

// Wrap breaks text between words into lines of at most width runes. A word that
// is too long, such as a path, stays whole so that it can be copied.
func Wrap(text string, width int) []string {
	lines := []string{}
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// Cut shortens s to most bytes without splitting a rune.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// hidden reports whether r shows nothing of its own: controls, and the format
// characters (category Cf) that reorder or hide what is around them.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}
