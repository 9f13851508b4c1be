package resources

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
)

// maxBytes caps a document: it is paid for by whoever reads it.
const maxBytes = 32 << 10

// fit encodes the document with as many rows, of most at the most, as fit.
func fit(most int, document func(rows int) any) (string, error) {
	rows := sort.Search(most, func(rows int) bool {
		text, err := encode(document(rows + 1))
		return err != nil || len(text) > maxBytes
	})
	return encode(document(rows))
}

// encode is json.Marshal that leaves <, > and & readable: logs are full of
// them, and no browser reads this.
func encode(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encoding a resource: %w", err)
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}
