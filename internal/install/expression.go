package install

import (
	"bytes"
	"errors"
	"slices"

	"github.com/BurntSushi/toml"
)

// expression is a table's header or a key with its value, in whole lines. Its
// path counts from the document's root.
type expression struct {
	start, end int
	path       []string
	header     bool
	comment    bool // there is one in it or behind it
}

var errScan = errors.New("it is TOML that this program cannot edit: add the entry by hand")

// expressions lists those of a document that is known to be TOML.
func expressions(doc []byte) ([]expression, error) {
	s := scanner{doc: doc}
	var all []expression
	var table []string
	for s.nextLine() {
		e := expression{start: s.line, header: doc[s.at] == '['}
		for s.at < len(doc) && doc[s.at] == '[' {
			s.at++
		}
		key, err := s.key()
		if err != nil {
			return nil, err
		}
		if e.header {
			table, e.path = key, key
		} else {
			e.path = slices.Concat(table, key)
		}
		e.comment = s.rest(e.header)
		e.end = s.at
		all = append(all, e)
	}
	return all, nil
}

// scanner walks over a document of valid TOML.
type scanner struct {
	doc      []byte
	at, line int
}

// nextLine goes to the next line that is neither blank nor a comment only.
func (s *scanner) nextLine() bool {
	for s.at < len(s.doc) {
		s.line = s.at
		s.blanks()
		if s.at == len(s.doc) {
			return false
		}
		switch s.doc[s.at] {
		case '\r', '\n', '#':
			s.lineEnd()
		default:
			return true
		}
	}
	return false
}

func (s *scanner) blanks() {
	for s.at < len(s.doc) && (s.doc[s.at] == ' ' || s.doc[s.at] == '\t') {
		s.at++
	}
}

// lineEnd goes behind the next line end.
func (s *scanner) lineEnd() {
	i := bytes.IndexByte(s.doc[s.at:], '\n')
	if i < 0 {
		s.at = len(s.doc)
		return
	}
	s.at += i + 1
}

// key reads a key with its dots.
func (s *scanner) key() ([]string, error) {
	from := s.at
	for s.at < len(s.doc) && s.doc[s.at] != '=' && s.doc[s.at] != ']' {
		if s.doc[s.at] == '"' || s.doc[s.at] == '\'' {
			s.text()
		} else {
			s.at++
		}
	}
	var all map[string]any
	meta, err := toml.Decode(string(s.doc[from:s.at])+" = 0", &all)
	keys := meta.Keys()
	if err != nil || len(keys) == 0 {
		return nil, errScan
	}
	return keys[len(keys)-1], nil
}

// rest goes behind the line end that ends the expression, and reports whether
// a comment was on the way. A header has one bracket open.
func (s *scanner) rest(header bool) (comment bool) {
	depth := 0
	if header {
		depth = 1
	}
	for s.at < len(s.doc) {
		switch s.doc[s.at] {
		case '"', '\'':
			s.text()
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '#':
			comment = true
			s.lineEnd()
			s.at-- // on the line end, which may end the expression
			if s.doc[s.at] != '\n' {
				s.at++
			}
			continue
		case '\n':
			if depth <= 0 {
				s.at++
				return comment
			}
		}
		s.at++
	}
	return comment
}

// text goes behind a string, of one line or of several.
func (s *scanner) text() {
	quote := s.doc[s.at]
	long := bytes.Repeat([]byte{quote}, 3)
	end := long[:1]
	if bytes.HasPrefix(s.doc[s.at:], long) {
		end = long
	}
	s.at += len(end)
	for s.at < len(s.doc) && !bytes.HasPrefix(s.doc[s.at:], end) {
		if s.doc[s.at] == '\\' && quote == '"' {
			s.at++
		}
		s.at++
	}
	s.at = min(s.at+len(end), len(s.doc))
	// A long string may end in quotes of its own.
	for i := 0; i < 2 && len(end) == 3 && s.at < len(s.doc) && s.doc[s.at] == quote; i++ {
		s.at++
	}
}
