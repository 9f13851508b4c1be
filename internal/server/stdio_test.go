package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"vast-mcp/internal/rig"
	"vast-mcp/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fast lets a boot of minutes pass while a test polls.
func fast() sandbox.Options { return sandbox.Options{Speed: 5000} }

// wire is an MCP client made of bytes.
type wire struct {
	t       *testing.T
	out     io.Writer
	in      *bufio.Reader
	id      int
	modern  bool
	caps    string // its capabilities, JSON
	answer  string // what its user answers when asked, JSON
	asked   []string
	updates []string
	ended   chan error
	close   func()
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// result is the result of a tool call.
type result struct {
	ResultType    string          `json:"resultType"`
	Structured    json.RawMessage `json:"structuredContent"`
	IsError       bool            `json:"isError"`
	RequestState  string          `json:"requestState"`
	InputRequests map[string]struct {
		Method string `json:"method"`
		Params struct {
			Message string `json:"message"`
		} `json:"params"`
	} `json:"inputRequests"`
	Content []struct {
		Text string `json:"text"`
	} `json:"content"`
	Meta map[string]json.RawMessage `json:"_meta"`
}

// dial serves the rig's app over pipes, in the protocol of that version.
func dial(t *testing.T, r *rig.Rig, version, caps, answer string) *wire {
	t.Helper()
	toServer, fromClient := io.Pipe()
	fromServer, toClient := io.Pipe()
	w := &wire{t: t, out: fromClient, in: bufio.NewReader(fromServer), modern: version >= "2026", caps: caps, answer: answer, ended: make(chan error, 1)}
	go func() {
		err := r.App.ServeStdio(context.WithoutCancel(t.Context()), toServer, toClient)
		_ = toClient.Close()
		w.ended <- err
	}()
	closed := false
	w.close = func() {
		if !closed {
			closed = true
			_ = fromClient.Close()
			_, _ = io.Copy(io.Discard, w.in)
			require.NoError(t, <-w.ended)
		}
	}
	t.Cleanup(w.close)
	if !w.modern {
		m := w.request("initialize", fmt.Sprintf(`{"protocolVersion":%q,"capabilities":%s,"clientInfo":{"name":"t","version":"1"}}`, version, caps))
		require.Contains(t, string(m.Result), fmt.Sprintf(`"protocolVersion":%q`, version))
		w.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	}
	return w
}

func (w *wire) send(line string) {
	w.t.Helper()
	_, err := io.WriteString(w.out, line+"\n")
	require.NoError(w.t, err)
}

func (w *wire) read() message {
	w.t.Helper()
	line, err := w.in.ReadBytes('\n')
	require.NoError(w.t, err)
	var m message
	require.NoError(w.t, json.Unmarshal(line, &m), "stdout carries nothing but the protocol: %q", line)
	return m
}

func (w *wire) request(method, params string) message {
	w.t.Helper()
	w.id++
	id := fmt.Sprint(w.id)
	w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, w.era(params)))
	for {
		m := w.read()
		switch {
		case m.Method == "elicitation/create":
			var p struct {
				Message string `json:"message"`
			}
			require.NoError(w.t, json.Unmarshal(m.Params, &p))
			w.asked = append(w.asked, p.Message)
			w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, w.answer))
		case m.Method != "":
			w.updates = append(w.updates, string(m.Params))
		case string(m.ID) == id:
			return m
		}
	}
}

// era adds what a modern request carries.
func (w *wire) era(params string) string {
	if !w.modern {
		return params
	}
	var fields map[string]json.RawMessage
	require.NoError(w.t, json.Unmarshal([]byte(params), &fields))
	meta := map[string]json.RawMessage{}
	if fields["_meta"] != nil {
		require.NoError(w.t, json.Unmarshal(fields["_meta"], &meta))
	}
	meta["io.modelcontextprotocol/protocolVersion"] = json.RawMessage(`"2026-07-28"`)
	meta["io.modelcontextprotocol/clientCapabilities"] = json.RawMessage(w.caps)
	fields["_meta"], _ = json.Marshal(meta)
	all, err := json.Marshal(fields)
	require.NoError(w.t, err)
	return string(all)
}

// call calls a tool and, in the modern era, answers what it asks.
func (w *wire) call(tool, args string) result {
	w.t.Helper()
	params := fmt.Sprintf(`{"name":%q,"arguments":%s}`, tool, args)
	for range 3 {
		m := w.request("tools/call", params)
		require.Nil(w.t, m.Error, "%+v", m.Error)
		var res result
		require.NoError(w.t, json.Unmarshal(m.Result, &res))
		if res.ResultType != "input_required" {
			return res
		}
		require.Equal(w.t, "elicitation/create", res.InputRequests["approve"].Method)
		w.asked = append(w.asked, res.InputRequests["approve"].Params.Message)
		params = fmt.Sprintf(`{"name":%q,"arguments":%s,"requestState":%q,"inputResponses":{"approve":%s}}`, tool, args, res.RequestState, w.answer)
	}
	require.Fail(w.t, "asked again and again")
	return result{}
}

const (
	canAsk    = `{"elicitation":{}}`
	cannotAsk = `{}`
	urlOnly   = `{"elicitation":{"url":{}}}`
	yes       = `{"action":"accept","content":{"approve":true}}`
	justEnter = `{"action":"accept","content":{"approve":false}}`
	instantNo = `{"action":"decline"}`
)

func eras() []string { return []string{"2025-06-18", "2025-11-25", "2026-07-28"} }

// TestApprovalInEveryEra: asked when the client can ask, told the command when
// it cannot; nothing is rented without a yes.
func TestApprovalInEveryEra(t *testing.T) {
	for _, version := range eras() {
		for _, c := range []struct {
			name, caps, answer, status string
			asked                      int
		}{
			{"accepts", canAsk, yes, "done", 1},
			{"accepts form", `{"elicitation":{"form":{}}}`, yes, "done", 1},
			{"presses enter at once", canAsk, justEnter, "approval_needed", 1},
			{"declines before anyone can have read it", canAsk, instantNo, "approval_needed", 1},
			{"answers nonsense", canAsk, `{"action":"perhaps"}`, "approval_needed", 1},
			{"can ask by URL only", urlOnly, yes, "approval_needed", 0},
			{"cannot ask", cannotAsk, yes, "approval_needed", 0},
		} {
			t.Run(version+" "+c.name, func(t *testing.T) {
				r := rig.New(t, rig.Options{Market: fast()})
				w := dial(t, r, version, c.caps, c.answer)
				args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090"))
				res := w.call("create_instance", args)
				require.False(t, res.IsError)
				require.Contains(t, string(res.Structured), `"status":"`+c.status+`"`)
				require.Len(t, w.asked, c.asked)
				if c.status == "done" {
					require.Contains(t, w.asked[0], "Rent 1x RTX 4090")
					require.Contains(t, w.asked[0], "/h, at most $")
					require.Len(t, r.Machines(), 1)
					return
				}
				require.Empty(t, r.Machines(), "nothing is rented without a yes")
				require.Contains(t, res.Content[0].Text, "vast-mcp approve ")
				r.Approve()
				require.Contains(t, string(w.call("create_instance", args).Structured), `"status":"done"`)
				require.Len(t, r.Machines(), 1)
			})
		}
	}
}

// TestASlowNoVoidsTheQuote: a person said no, so the code is worth nothing and
// the tool does not nag.
func TestASlowNoVoidsTheQuote(t *testing.T) {
	for _, version := range eras() {
		t.Run(version, func(t *testing.T) {
			r := rig.New(t, rig.Options{Market: fast()})
			w := dial(t, r, version, canAsk, `{"action":"decline"}`)
			w.out = slowAnswers{w.out}
			args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090"))
			require.Contains(t, string(w.call("create_instance", args).Structured), `"status":"declined"`)
			r.Approve()
			require.Contains(t, string(w.call("create_instance", args).Structured), `"status":"approval_needed"`)
			require.Len(t, w.asked, 1, "the user is not asked again")
			require.Empty(t, r.Machines())
		})
	}
}

// slowAnswers holds an answer back for as long as a person needs to read.
type slowAnswers struct{ io.Writer }

func (s slowAnswers) Write(b []byte) (int, error) {
	if strings.Contains(string(b), `"decline"`) {
		<-time.After(500 * time.Millisecond)
	}
	return s.Writer.Write(b)
}

func TestEveryEraListsTheSameTools(t *testing.T) {
	for _, version := range eras() {
		r := rig.New(t, rig.Options{Market: fast()})
		w := dial(t, r, version, cannotAsk, "")
		var list struct {
			Tools []json.RawMessage `json:"tools"`
		}
		require.NoError(t, json.Unmarshal(w.request("tools/list", `{}`).Result, &list))
		require.Len(t, list.Tools, 18)
		catalogue, err := r.App.Tools(t.Context())
		require.NoError(t, err)
		for _, x := range list.Tools {
			require.Contains(t, string(catalogue), string(x), "tools --json is what clients get, byte for byte")
		}
		w.close()
	}
}

func TestErrorsCarryTheirCodeAndNoStructuredContent(t *testing.T) {
	for _, version := range eras() {
		r := rig.New(t, rig.Options{Market: fast()})
		w := dial(t, r, version, cannotAsk, "")
		res := w.call("get_instance", `{"instance_id":5}`)
		require.True(t, res.IsError)
		require.Empty(t, res.Structured)
		require.JSONEq(t, `{"code":"not_found","message":"there is no instance 5","hint":"check the id or hash; list_instances and list_ssh_keys show what there is","retryable":false}`, string(res.Meta["vast-mcp/error"]))
		require.Regexp(t, `^not_found: .*\nNext: `, res.Content[0].Text)
		w.close()
	}
}

func TestProgressComesBeforeTheResult(t *testing.T) {
	for _, version := range eras() {
		r := rig.New(t, rig.Options{Market: fast()})
		w := dial(t, r, version, canAsk, yes)
		res := w.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090")))
		var made struct {
			InstanceID int64 `json:"instance_id"`
		}
		require.NoError(t, json.Unmarshal(res.Structured, &made))
		m := w.request("tools/call", fmt.Sprintf(`{"name":"wait_for_instance","arguments":{"instance_id":%d},"_meta":{"progressToken":"p1"}}`, made.InstanceID))
		require.Contains(t, string(m.Result), `"reached":true`)
		require.NotEmpty(t, w.updates)
		require.Contains(t, w.updates[len(w.updates)-1], ": ready", "the last report is not lost")
		w.close()
	}
}
