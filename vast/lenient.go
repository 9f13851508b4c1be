package vast

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// The API's answers are loose: numbers come as strings, integers as 1.0,
// flags as 0 and 1, and anything may be null or missing. The types of this
// file never fail: what they do not understand counts as missing, so that
// one odd field does not cost the whole answer.

// number is a finite number.
type number struct {
	value float64
	known bool
}

func (n *number) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseFloat(bare(data), 64)
	*n = number{}
	if err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
		*n = number{value: v, known: true}
	}
	return nil
}

// ptr returns nil for a number that is missing.
func (n number) ptr() *float64 {
	if !n.known {
		return nil
	}
	return new(n.value)
}

// or returns the value of n, or that of m when n is missing.
func (n number) or(m number) float64 {
	if n.known {
		return n.value
	}
	return m.value
}

// int returns the value as a small integer.
func (n number) int() int { return int(min(max(n.value, math.MinInt32), math.MaxInt32)) }

// id is an integer; 0 when missing.
type id int64

func (i *id) UnmarshalJSON(data []byte) error {
	s := bare(data)
	*i = 0
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		*i = id(v)
		return nil
	}
	const exact = 1 << 53
	if v, err := strconv.ParseFloat(s, 64); err == nil && v == math.Trunc(v) && math.Abs(v) <= exact {
		*i = id(v)
	}
	return nil
}

// flag is a truth value; false when missing.
type flag bool

func (f *flag) UnmarshalJSON(data []byte) error {
	switch s := strings.ToLower(bare(data)); s {
	case "true", "verified":
		*f = true
	default:
		v, err := strconv.ParseFloat(s, 64)
		*f = err == nil && v != 0
	}
	return nil
}

// text is a string; "" when missing or false. Numbers are kept as they are
// written, objects and lists as JSON.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil && string(data) != "false" {
		s = string(data)
	}
	*t = text(s)
	return nil
}

func (t text) trimmed() string { return strings.TrimSpace(string(t)) }

// list is a list, or one element where the API forgets the brackets.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(data []byte) error {
	*l = nil
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil
	case data[0] == '[':
		return json.Unmarshal(data, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*l = list[T]{one}
	return nil
}

// bare returns a JSON scalar without quotes and outer space.
func bare(data []byte) string {
	return strings.TrimSpace(strings.Trim(string(data), `"`))
}

// withoutNaN replaces the tokens NaN, Infinity and -Infinity, which some
// JSON writers emit, by null.
func withoutNaN(body []byte) []byte {
	var out []byte
	for inString := false; len(body) > 0; {
		if token := nanToken(body); !inString && token > 0 {
			out, body = append(out, "null"...), body[token:]
			continue
		}
		width := 1
		switch {
		case body[0] == '"':
			inString = !inString
		case body[0] == '\\' && len(body) > 1:
			width = 2
		}
		out, body = append(out, body[:width]...), body[width:]
	}
	return out
}

func nanToken(body []byte) int {
	for _, token := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(body, []byte(token)) {
			return len(token)
		}
	}
	return 0
}
