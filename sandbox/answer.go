package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// answer is what goes back to the client, whole.
type answer struct {
	status int
	header http.Header // beside Content-Type and Date
	kind   string      // Content-Type
	body   []byte
	kept   bool // a refusal that changed the market all the same
}

// The official client compares with exactly this.
const jsonType = "application/json"

func reply(v any) answer { return answer{status: http.StatusOK, kind: jsonType, body: encode(v)} }

// success is the API's shortest good answer.
func success() answer { return reply(outcome{Success: true}) }

type outcome struct {
	Success bool   `json:"success"`
	Error   string `json:"error,omitempty"`
	Msg     string `json:"msg,omitempty"`
	AskID   int64  `json:"ask_id,omitempty"`

	NewContract int64 `json:"new_contract,omitempty"`
}

func refuse(status int, code, msg string) answer {
	a := reply(outcome{Error: code, Msg: msg})
	a.status = status
	return a
}

func badJSON() answer {
	a := reply(map[string]string{"error": "invalid_request", "msg": "Invalid json body"})
	a.status = http.StatusBadRequest
	return a
}

func invalidArgs(format string, args ...any) answer {
	return refuse(http.StatusBadRequest, "invalid_args", fmt.Sprintf(format, args...))
}

func noSuchInstance(id int64) answer {
	return refuse(http.StatusNotFound, "no_such_instance", fmt.Sprintf("Instance %d not found.", id))
}

func notFound() answer {
	return refuse(http.StatusNotFound, "not_found", "The sandbox has no such route.")
}

// encode writes JSON as the API does: without a newline and without escapes
// for HTML. What can't be encoded is a mistake in this package.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// write sends the answer, dated in market time.
func (a answer) write(w http.ResponseWriter, now time.Time) {
	h := w.Header()
	maps.Copy(h, a.header)
	h.Set("Content-Type", a.kind)
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // nobody is left to tell when it fails
}
