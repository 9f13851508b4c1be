package install

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// tomlText is TOML, edited as text: an entry is written as one table with its
// inner tables inline.
type tomlText struct{}

var errInline = errors.New("the servers are written as one inline table: give each a table of its own first")

func (tomlText) parse(doc []byte) (map[string]any, error) {
	all := map[string]any{}
	_, err := toml.Decode(string(doc), &all)
	if bad, ok := errors.AsType[toml.ParseError](err); ok {
		return nil, fmt.Errorf("it is not TOML at line %d", bad.Position.Line)
	}
	if err != nil {
		return nil, errors.New("it is not TOML")
	}
	for key, value := range all {
		all[key] = alike(value)
	}
	return all, nil
}

// alike makes the two ways of writing a list of tables the same value.
func alike(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = alike(inner)
		}
	case []map[string]any:
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = alike(inner)
		}
		return list
	case []any:
		for i, inner := range v {
			v[i] = alike(inner)
		}
	}
	return value
}

func (f tomlText) put(doc []byte, path []string, fields []field) ([]byte, error) {
	all, err := f.parse(doc)
	if err != nil {
		return nil, err
	}
	entry := all
	for _, key := range path {
		entry, _ = entry[key].(map[string]any)
	}
	block, err := table(path, ordered(merge(entry, fields), fields), lineEnd(doc))
	if err != nil {
		return nil, err
	}
	parts, err := partsOf(doc, path)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return appendTable(doc, block), nil
	}
	if parts == nil {
		return nil, errScan
	}
	rest := without(doc, parts)
	if !parts[0].header {
		return appendTable(rest, block), nil
	}
	at := parts[0].start
	return slices.Concat(rest[:at], block, rest[at:]), nil
}

func (tomlText) cut(doc []byte, path []string) ([]byte, error) {
	parts, err := partsOf(doc, path)
	if err != nil {
		return nil, err
	}
	if parts == nil {
		return doc, nil
	}
	rest := without(doc, parts)
	// With the table goes the blank line above it.
	at, end := parts[0].start, lineEnd(doc)
	if blankAbove := at == 0 || bytes.HasSuffix(rest[:at], []byte(end+end)); blankAbove {
		if below, ok := bytes.CutPrefix(rest[at:], []byte(end)); ok {
			return slices.Concat(rest[:at], below), nil
		}
		if at > 0 && at == len(rest) {
			return rest[:at-len(end)], nil
		}
	}
	return rest, nil
}

// partsOf finds the expressions that make up what is at path. It fails if they
// cannot be taken out alone, or no table can be put there.
func partsOf(doc []byte, path []string) ([]expression, error) {
	all, err := expressions(doc)
	if err != nil {
		return nil, err
	}
	var parts []expression
	last := -1
	for i, e := range all {
		n := min(len(e.path), len(path))
		if !slices.Equal(e.path[:n], path[:n]) {
			continue
		}
		if n < len(path) {
			if e.header {
				continue
			}
			return nil, errInline
		}
		between := last >= 0 && last == i-1 && bytes.ContainsRune(doc[all[last].end:e.start], '#')
		if e.comment || between {
			return nil, errComments
		}
		parts, last = append(parts, e), i
	}
	return parts, nil
}

func without(doc []byte, parts []expression) []byte {
	var rest []byte
	from := 0
	for _, e := range parts {
		rest = append(rest, doc[from:e.start]...)
		from = e.end
	}
	return append(rest, doc[from:]...)
}

// appendTable puts the table at the document's end, below a blank line.
func appendTable(doc, block []byte) []byte {
	end := []byte(lineEnd(doc))
	switch {
	case blank(doc):
		return block
	case bytes.HasSuffix(doc, slices.Concat(end, end)):
		return slices.Concat(doc, block)
	case bytes.HasSuffix(doc, end):
		return slices.Concat(doc, end, block)
	}
	return slices.Concat(doc, end, end, block)
}

func table(path []string, fields []field, end string) ([]byte, error) {
	var b strings.Builder
	keys := make([]string, len(path))
	for i, key := range path {
		keys[i] = tomlKey(key)
	}
	b.WriteString("[" + strings.Join(keys, ".") + "]" + end)
	for _, f := range fields {
		text, err := tomlValue(f.value)
		if err != nil {
			return nil, err
		}
		b.WriteString(tomlKey(f.key) + " = " + text + end)
	}
	return []byte(b.String()), nil
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func tomlKey(key string) string {
	if bareKey.MatchString(key) {
		return key
	}
	text, err := tomlValue(key)
	if err != nil {
		return key
	}
	return text
}

// tomlValue writes a value on one line.
func tomlValue(value any) (string, error) {
	var items []string
	switch v := value.(type) {
	case map[string]any:
		for _, f := range ordered(v, nil) {
			text, err := tomlValue(f.value)
			if err != nil {
				return "", err
			}
			items = append(items, tomlKey(f.key)+" = "+text)
		}
		if items == nil {
			return "{}", nil
		}
		return "{ " + strings.Join(items, ", ") + " }", nil
	case []any:
		for _, item := range v {
			text, err := tomlValue(item)
			if err != nil {
				return "", err
			}
			items = append(items, text)
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	}
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	if err := enc.Encode(map[string]any{"k": value}); err != nil {
		return "", err
	}
	return strings.TrimSpace(strings.TrimPrefix(b.String(), "k = ")), nil
}
