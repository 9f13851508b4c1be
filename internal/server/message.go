package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
)

// message is what has to be known of a message before the library gets it.
type message struct {
	Method mcp.MCPMethod `json:"method"`
	Params struct {
		Meta *mcp.Meta `json:"_meta"`
	} `json:"params"`
}

// parse reads a message. It refuses what two readers could read differently: a
// proxy in front may judge by one of two equal names, and the library goes by
// the last, in whatever case.
func parse(body []byte) (message, error) {
	var m message
	if _, broken := errors.AsType[*json.SyntaxError](json.Unmarshal(body, &m)); broken {
		return m, errors.New("the message is not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	return m, plain(dec, 0)
}

// plain walks one value. Depth 1 are the names of the message, depth 2 those of
// its parameters.
func plain(dec *json.Decoder, depth int) error {
	begin, err := dec.Token()
	if err != nil {
		return errors.New("the message is not JSON")
	}
	seen := map[string]bool{}
	for begin == json.Delim('{') && dec.More() {
		token, _ := dec.Token() // it was read as JSON before
		name, _ := token.(string)
		folded := name
		if depth < 2 {
			folded = strings.ToLower(name)
		}
		if seen[folded] || folded != name && slices.Contains(reserved(), folded) {
			return fmt.Errorf("the name %.40q is there twice, or in another case", name)
		}
		seen[folded] = true
		if err := plain(dec, depth+1); err != nil {
			return err
		}
	}
	for begin == json.Delim('[') && dec.More() {
		if err := plain(dec, depth+1); err != nil {
			return err
		}
	}
	if begin == json.Delim('{') || begin == json.Delim('[') {
		_, _ = dec.Token() // its end
	}
	return nil
}

// reserved are the names that mean something to the protocol.
func reserved() []string {
	return []string{"jsonrpc", "id", "method", "params", "result", "error", "name", "arguments", "uri", "_meta"}
}
