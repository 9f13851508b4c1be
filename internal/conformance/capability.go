package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// call is what of a message says who calls which tool.
type call struct {
	ID     json.RawMessage `json:"id"`
	Params struct {
		Name string    `json:"name"`
		Meta *mcp.Meta `json:"_meta"`
	} `json:"params"`
}

// requireSampling refuses calls of test_missing_capability by clients that do
// not declare sampling. The library lets no handler choose the code of an error
// or the status of an answer, so it happens around it.
func requireSampling(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "the message did not arrive whole", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var c call
		if json.Unmarshal(body, &c) != nil || c.Params.Name != "test_missing_capability" || c.samples() {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"jsonrpc": "2.0", "id": c.ID, "error": map[string]any{
				"code": mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, "message": "this tool needs a client that samples",
				"data": map[string]any{"requiredCapabilities": map[string]any{"sampling": map[string]any{}}},
			},
		}) // whoever hung up needs no answer
	})
}

func (c call) samples() bool {
	can := c.Params.Meta.ClientCapabilities()
	return can != nil && can.Sampling != nil
}
