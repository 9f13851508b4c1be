package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"

	"github.com/tailscale/hujson"
)

// jsonc is JSON, with or without comments and trailing commas.
type jsonc struct{}

var position = regexp.MustCompile(`line \d+, column \d+`)

// readJSON parses a document into a tree that packs to the same bytes, with a
// line end behind it, for the parser wants one after a comment.
func readJSON(doc []byte) (hujson.Value, error) {
	if blank(doc) {
		doc = []byte("{}\n")
	}
	root, err := hujson.Parse(append(bytes.Clone(doc), '\n'))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return root, errors.New("it is JSON that is cut short")
	}
	if err != nil {
		return root, fmt.Errorf("it is not JSON at %s", position.FindString(err.Error()))
	}
	if root.Value.Kind() != '{' {
		return root, errors.New("it is JSON, but not an object")
	}
	return root, nil
}

func writeJSON(root hujson.Value) []byte { return bytes.TrimSuffix(root.Pack(), []byte("\n")) }

func (jsonc) parse(doc []byte) (map[string]any, error) {
	root, err := readJSON(doc)
	if err != nil {
		return nil, err
	}
	root.Standardize()
	var all map[string]any
	dec := json.NewDecoder(bytes.NewReader(root.Pack()))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		return nil, errors.New("it is nested too deeply")
	}
	return all, nil
}

func (jsonc) put(doc []byte, path []string, fields []field) ([]byte, error) {
	root, err := readJSON(doc)
	if err != nil {
		return nil, err
	}
	obj := root.Value.(*hujson.Object) // readJSON returns nothing else
	s := styleOf(doc, obj)
	for _, key := range path {
		i, err := find(obj, key)
		if err != nil {
			return nil, err
		}
		if i < 0 {
			i = s.insert(obj, key, []byte("{}"))
		}
		s = s.inside(obj, obj.Members[i])
		if obj, err = child(obj, i); err != nil {
			return nil, err
		}
	}
	if err := s.set(obj, fields); err != nil {
		return nil, err
	}
	return writeJSON(root), nil
}

// set gives the object's members those values. A member that has its value
// keeps its bytes.
func (s style) set(obj *hujson.Object, fields []field) error {
	for _, f := range fields {
		i, err := find(obj, f.key)
		if err != nil {
			return err
		}
		raw, err := encode(f.value)
		if err != nil {
			return err
		}
		if i < 0 {
			s.insert(obj, f.key, raw)
			continue
		}
		old := &obj.Members[i].Value
		inside := hujson.Value{Value: old.Value}
		inner, isObject := old.Value.(*hujson.Object)
		values, wantObject := f.value.(map[string]any)
		switch {
		case isObject && wantObject:
			err = s.inside(obj, obj.Members[i]).set(inner, ordered(values, nil))
		case same(inside, raw):
		case commented(inside):
			err = errComments
		default:
			old.Value = s.value(obj, raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (jsonc) cut(doc []byte, path []string) ([]byte, error) {
	root, err := readJSON(doc)
	if err != nil {
		return nil, err
	}
	obj := root.Value.(*hujson.Object) // readJSON returns nothing else
	last := len(path) - 1
	for _, key := range path[:last] {
		i, err := find(obj, key)
		if err != nil || i < 0 {
			return doc, err
		}
		if obj, err = child(obj, i); err != nil {
			return nil, err
		}
	}
	i, err := find(obj, path[last])
	if err != nil || i < 0 {
		return doc, err
	}
	if err := remove(obj, i); err != nil {
		return nil, err
	}
	return writeJSON(root), nil
}

// remove takes member i out. The comments above it stay.
func remove(obj *hujson.Object, i int) error {
	m := obj.Members[i]
	name := m.Name
	name.BeforeExtra = nil
	if commented(name) || commented(m.Value) {
		return errComments
	}
	above, line := splitLine(m.Name.BeforeExtra)
	last := i == len(obj.Members)-1
	below := &obj.AfterExtra
	if !last {
		below = &obj.Members[i+1].Name.BeforeExtra
	}
	rest := *below
	sameLine := bytes.TrimLeft(rest, " \t")
	newLine := bytes.HasPrefix(sameLine, []byte("\n")) || bytes.HasPrefix(sameLine, []byte("\r\n"))
	if !newLine && (!blank(above) || !blank(rest)) { // what follows the entry on its line must not come to stand behind the line above
		rest = join(line, sameLine)
	}
	if last && i > 0 {
		previous := &obj.Members[i-1].Value
		if m.Value.AfterExtra == nil {
			above = join(previous.AfterExtra, above)
			previous.AfterExtra = nil
		} else if previous.AfterExtra == nil {
			previous.AfterExtra = hujson.Extra{}
		}
	}
	*below = join(above, rest)
	if len(obj.Members) == 1 && blank(obj.AfterExtra) {
		obj.AfterExtra = nil
	}
	obj.Members = append(obj.Members[:i:i], obj.Members[i+1:]...)
	return nil
}

// find returns the index of the member, -1 for none. A key that is there twice
// means another thing to every program.
func find(obj *hujson.Object, key string) (int, error) {
	at := -1
	for i, m := range obj.Members {
		name, _ := m.Name.Value.(hujson.Literal)
		if name.String() != key {
			continue
		}
		if at >= 0 {
			return 0, fmt.Errorf("the key %q stands there twice: take one out", key)
		}
		at = i
	}
	return at, nil
}

func child(obj *hujson.Object, i int) (*hujson.Object, error) {
	inner, ok := obj.Members[i].Value.Value.(*hujson.Object)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", obj.Members[i].Name.Value)
	}
	return inner, nil
}

func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSpace(b.Bytes()), err
}

func same(v hujson.Value, raw []byte) bool {
	v = v.Clone()
	v.Minimize()
	var a, b any
	return json.Unmarshal(v.Pack(), &a) == nil && json.Unmarshal(raw, &b) == nil && reflect.DeepEqual(a, b)
}

// commented reports whether there is a comment in the value or around it.
func commented(v hujson.Value) bool {
	for part := range v.All() {
		extras := []hujson.Extra{part.BeforeExtra, part.AfterExtra}
		switch inner := part.Value.(type) {
		case *hujson.Object:
			extras = append(extras, inner.AfterExtra)
		case *hujson.Array:
			extras = append(extras, inner.AfterExtra)
		}
		for _, extra := range extras {
			if !extra.IsStandard() {
				return true
			}
		}
	}
	return false
}
