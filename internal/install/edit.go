package install

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// format edits documents of one syntax. A blank document is an empty one. None
// of the methods changes the bytes it is given.
type format interface {
	// parse decodes a document. Its errors say where, and never quote: what
	// stands there may be a secret.
	parse(doc []byte) (map[string]any, error)
	// put sets fields of the object at path, making what is missing.
	put(doc []byte, path []string, fields []field) ([]byte, error)
	// cut takes out what is at path.
	cut(doc []byte, path []string) ([]byte, error)
}

var errComments = errors.New("there are comments inside the entry, which would be lost: take them out first")

const bom = "\ufeff"

// Preview is the document that Install makes where there is none.
func (c Client) Preview(s Server) (string, error) {
	doc, err := c.Add(nil, s)
	return string(doc), err
}

// Add returns the document with the server's entry in it. The document itself
// comes back when nothing changes. Of an entry that is there, what Add does not
// set stays.
func (c Client) Add(doc []byte, s Server) ([]byte, error) {
	before, err := c.parse(doc)
	if err != nil {
		return nil, err
	}
	entry, there, err := c.entry(before, s)
	if err != nil {
		return nil, err
	}
	fields := c.fields(s)
	if there {
		fields = slices.DeleteFunc(fields, func(f field) bool { return f.initial })
	}
	merged := merge(entry, fields)
	if there && reflect.DeepEqual(entry, merged) {
		return doc, nil
	}
	mark, body := cutMark(doc)
	after, err := c.format.put(body, []string{c.section, s.Name}, fields)
	if err != nil {
		return nil, err
	}
	section := c.entries(before)
	section[s.Name] = merged
	return withMark(mark, after), c.check(after, before, section)
}

// Remove returns the document without the server's entry. original is the
// document from before Add, nil if there was none or none is known; if Add
// would make the document from it, it comes back byte for byte. So nil comes
// back for a document that is of Add's making only.
func (c Client) Remove(doc, original []byte, s Server) ([]byte, error) {
	before, err := c.parse(doc)
	if err != nil {
		return nil, err
	}
	entry, there, err := c.entry(before, s)
	if err != nil || !there {
		return doc, err
	}
	if c.madeFrom(doc, original, s, entry) {
		return original, nil
	}
	mark, body := cutMark(doc)
	after, err := c.format.cut(body, []string{c.section, s.Name})
	if err != nil {
		return nil, err
	}
	section := c.entries(before)
	delete(section, s.Name)
	if len(section) == 0 && c.lacksSection(original) {
		if rest, err := c.format.cut(after, []string{c.section}); err == nil { // else there are comments in it
			after = rest
		}
	}
	return withMark(mark, after), c.check(after, before, section)
}

// Find returns the server's entry, nil for none.
func (c Client) Find(doc []byte, s Server) (*Entry, error) {
	all, err := c.parse(doc)
	if err != nil {
		return nil, err
	}
	entry, there, err := c.entry(all, s)
	if err != nil || !there {
		return nil, err
	}
	return entryOf(entry), nil
}

// holdsOurs reports whether the document has an entry of ours, of any name.
func (c Client) holdsOurs(doc []byte, s Server) bool {
	all, err := c.parse(doc)
	if err != nil {
		return false
	}
	for _, value := range c.entries(all) {
		if entry, ok := value.(map[string]any); ok && entryOf(entry).ours(s.Command) {
			return true
		}
	}
	return false
}

func (c Client) parse(doc []byte) (map[string]any, error) {
	_, doc = cutMark(doc)
	return c.format.parse(doc)
}

// entries is a copy of the client's section.
func (c Client) entries(doc map[string]any) map[string]any {
	all := map[string]any{}
	section, _ := doc[c.section].(map[string]any)
	maps.Copy(all, section)
	return all
}

// entry finds the server's entry. One that is somebody else's is an error.
func (c Client) entry(doc map[string]any, s Server) (map[string]any, bool, error) {
	inside, there := doc[c.section]
	if !there {
		return nil, false, nil
	}
	section, ok := inside.(map[string]any)
	if !ok {
		return nil, false, fmt.Errorf("%q is not what %s expects there", c.section, c.Name)
	}
	found, there := section[s.Name]
	if !there {
		return nil, false, nil
	}
	entry, ok := found.(map[string]any)
	if !ok || !entryOf(entry).ours(s.Command) {
		return nil, false, fmt.Errorf("the entry %q there is not a vast-mcp: choose another name with --name, or take it out by hand", s.Name)
	}
	return entry, true, nil
}

// madeFrom reports whether Add makes doc from original.
func (c Client) madeFrom(doc, original []byte, s Server, entry map[string]any) bool {
	mark, body := cutMark(original)
	if had, err := c.Find(original, s); err != nil || had != nil {
		return false
	}
	fields := ordered(entry, c.fields(Server{Key: keyVariable}))
	again, err := c.format.put(body, []string{c.section, s.Name}, fields)
	return err == nil && bytes.Equal(withMark(mark, again), doc)
}

func (c Client) lacksSection(original []byte) bool {
	all, err := c.parse(original)
	_, has := all[c.section]
	return original != nil && err == nil && !has
}

// check reads the document that an edit made. It must be the one before with
// that section and no other difference. No section and an empty one mean the
// same.
func (c Client) check(after []byte, before, section map[string]any) error {
	got, err := c.format.parse(after)
	if err != nil {
		return fmt.Errorf("no entry fits into %q as it is written: give each server a part of its own first", c.section)
	}
	want := maps.Clone(before)
	want[c.section] = section
	for _, doc := range []map[string]any{got, want} {
		if inside, ok := doc[c.section].(map[string]any); ok && len(inside) == 0 {
			delete(doc, c.section)
		}
	}
	if !reflect.DeepEqual(got, want) {
		return errors.New("it cannot be told whether everything else would stay as it is: add the entry by hand")
	}
	return nil
}

// cutMark takes the byte order mark off, which some Windows editors write.
func cutMark(doc []byte) (mark, rest []byte) {
	if rest, ok := bytes.CutPrefix(doc, []byte(bom)); ok {
		return []byte(bom), rest
	}
	return nil, doc
}

func withMark(mark, doc []byte) []byte {
	if len(mark) == 0 {
		return doc
	}
	return append(mark, doc...)
}

func blank(doc []byte) bool { return len(bytes.TrimSpace(doc)) == 0 }

// lineEnd is how the document ends its lines.
func lineEnd(doc []byte) string {
	if i := bytes.IndexByte(doc, '\n'); i > 0 && doc[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
