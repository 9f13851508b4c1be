package install

import (
	"bytes"
	"encoding/json"

	"github.com/tailscale/hujson"
)

// style is how a document is laid out, seen from inside one of its objects.
type style struct {
	newline string
	unit    string // of indentation
	indent  string // of the line that the object begins on
	flat    bool   // the document is one line
}

func styleOf(doc []byte, root *hujson.Object) style {
	s := style{newline: lineEnd(doc), unit: "  "}
	if len(root.Members) == 0 {
		return s
	}
	s.flat = !bytes.Contains(bytes.TrimSpace(doc), []byte("\n"))
	if indent, ok := lineIndent(root.Members[0].Name.BeforeExtra); ok && indent != "" {
		s.unit = indent
	}
	return s
}

// inside is the style seen from inside a member of obj.
func (s style) inside(obj *hujson.Object, m hujson.ObjectMember) style {
	s.flat = s.oneLine(obj)
	if indent, ok := lineIndent(m.Name.BeforeExtra); ok {
		s.indent = indent
	}
	return s
}

// oneLine reports whether the object's members stand on one line.
func (s style) oneLine(obj *hujson.Object) bool {
	if len(obj.Members) == 0 && !s.flat {
		return false
	}
	for _, m := range obj.Members {
		if bytes.Contains(m.Name.BeforeExtra, []byte("\n")) {
			return false
		}
	}
	return !bytes.Contains(obj.AfterExtra, []byte("\n"))
}

// memberIndent is the indentation of the object's members.
func (s style) memberIndent(obj *hujson.Object) string {
	if n := len(obj.Members); n > 0 {
		if indent, ok := lineIndent(obj.Members[n-1].Name.BeforeExtra); ok {
			return indent
		}
	}
	return s.indent + s.unit
}

// insert adds a member at the object's end and returns its index. A comment
// that stands behind the last member stays there.
func (s style) insert(obj *hujson.Object, key string, raw []byte) int {
	m := hujson.ObjectMember{Name: hujson.Value{Value: hujson.String(key)}, Value: hujson.Value{Value: s.value(obj, raw)}}
	above, tail := splitLine(obj.AfterExtra)
	if s.oneLine(obj) {
		m.Name.BeforeExtra = above
		if n := len(obj.Members); n > 0 && len(obj.Members[n-1].Value.BeforeExtra) > 0 {
			m.Name.BeforeExtra, m.Value.BeforeExtra = join(above, []byte(" ")), hujson.Extra(" ")
		}
	} else {
		m.Name.BeforeExtra = join(above, []byte(s.newline+s.memberIndent(obj)))
		m.Value.BeforeExtra = hujson.Extra(" ")
		if len(tail) == 0 || !bytes.Contains(tail, []byte("\n")) {
			tail = []byte(s.newline + s.indent)
		}
	}
	if n := len(obj.Members); n > 0 && obj.Members[n-1].Value.AfterExtra != nil { // which means a trailing comma
		m.Value.AfterExtra = hujson.Extra{}
	}
	obj.AfterExtra = tail
	obj.Members = append(obj.Members, m)
	return len(obj.Members) - 1
}

// value lays out the raw value as a member of the object.
func (s style) value(obj *hujson.Object, raw []byte) hujson.ValueTrimmed {
	if !s.oneLine(obj) {
		var b bytes.Buffer
		if err := json.Indent(&b, raw, s.memberIndent(obj), s.unit); err == nil {
			raw = bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte(s.newline))
		}
	}
	v, err := hujson.Parse(raw)
	if err != nil {
		return hujson.Literal(raw)
	}
	return v.Value
}

// splitLine splits what stands between two members into that up to the last
// line end, and the blanks from there on.
func splitLine(extra hujson.Extra) (above, line []byte) {
	at := len(bytes.TrimRight(extra, " \t\r\n"))
	if i := bytes.LastIndexByte(extra, '\n'); i >= at {
		if at < i && extra[i-1] == '\r' {
			i--
		}
		return extra[:i:i], extra[i:]
	}
	return extra[:at:at], extra[at:]
}

// lineIndent is the indentation of the line that follows the extra, if it
// begins one.
func lineIndent(extra hujson.Extra) (string, bool) {
	i := bytes.LastIndexByte(extra, '\n')
	if i < 0 || !blank(extra[i:]) {
		return "", false
	}
	return string(extra[i+1:]), true
}

func join(a, b []byte) []byte { return append(bytes.Clone(a), b...) }
