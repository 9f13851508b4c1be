package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

const (
	hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n" +
		`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n"
)

// answers are the messages on stdout by id.
func answers(t *testing.T, out string) map[string]message {
	t.Helper()
	all := map[string]message{}
	for line := range strings.Lines(out) {
		var m message
		require.NoError(t, json.Unmarshal([]byte(line), &m), "stdout carries nothing but the protocol: %q", line)
		all[string(m.ID)] = m
	}
	return all
}

func serve(t *testing.T, r *rig.Rig, input string) map[string]message {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, r.App.ServeStdio(t.Context(), strings.NewReader(input), &out))
	return answers(t, out.String())
}

// TestTheInputEndsRightAfterTheLastCall: a shell pipeline closes stdin at once,
// and still gets its answers.
func TestTheInputEndsRightAfterTheLastCall(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast()})
	input := hello
	for i := range 10 {
		input += fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"list_ssh_keys","arguments":{}}}`+"\n", i+2)
	}
	got := serve(t, r, strings.TrimSuffix(input, "\n"))
	for i := range 10 {
		require.Contains(t, string(got[fmt.Sprint(i+2)].Result), `"keys":[]`)
	}
}

func TestBrokenMessagesAreAnsweredAndSurvived(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast()})
	got := serve(t, r, hello+
		"{broken\n"+
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"no_such_tool","arguments":{}}}`+"\n"+
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"search_offers","arguments":"text"}}`+"\n"+
		"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\",\"params\":{\"name\":\"label_instance\",\"arguments\":{\"instance_id\":1,\"label\":\"\xff\"}}}\n"+
		`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"destroy","arguments":{"instance_ids":[1]}}}`+"\n"+
		`{"jsonrpc":"2.0","id":6,"method":"nonsense"}`+"\n"+
		`{"jsonrpc":"2.0","id":7,"method":"ping"}`+"\n")
	require.Equal(t, -32700, got["null"].Error.Code)
	require.Equal(t, -32602, got["2"].Error.Code)
	require.Contains(t, string(got["3"].Result), "not a JSON object")
	require.Contains(t, string(got["4"].Result), "UTF-8")
	require.Contains(t, string(got["5"].Result), "not_found", "an alias answers")
	require.Equal(t, -32601, got["6"].Error.Code)
	require.NotNil(t, got["7"].Result, "and the server goes on")
}

// TestTheInputEndsDuringARental: the client is gone, the order's answer comes
// after all patience is over, and the outcome is written all the same.
func TestTheInputEndsDuringARental(t *testing.T) {
	ordered := make(chan struct{})
	kept := journal.New(filepath.Join(t.TempDir(), "journal.db"), vast.SystemClock{}.Now)
	r := rig.New(t, rig.Options{Market: fast(), Mode: guard.Operator, Journal: kept, Transport: func(next http.RoundTripper) http.RoundTripper {
		return slowOrder{next, ordered}
	}})
	args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090"))
	require.Equal(t, tool.ApprovalNeeded, r.Call("create_instance", args).Status)
	r.Approve()
	user, err := r.Client.Account.Current(t.Context())
	require.NoError(t, err)
	input, client := io.Pipe()
	go func() {
		_, _ = io.WriteString(client, hello+`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"create_instance","arguments":`+args+`}}`+"\n")
		<-ordered
		_ = client.Close()
	}()
	var out bytes.Buffer
	require.NoError(t, r.App.ServeStdio(t.Context(), input, &out))
	require.NoError(t, r.App.Close())
	require.Len(t, r.Machines(), 1)
	require.Equal(t, 1, r.Requests("PUT", "/asks/"))
	require.NoError(t, kept.Tx(t.Context(), fmt.Sprintf("%s#%d", r.Client.Origin(), user.ID), func(tx *journal.Tx) error {
		open, err := tx.Counting()
		require.Len(t, open, 1)
		require.Equal(t, journal.Rented, open[0].State)
		return err
	}))
}

// slowOrder holds the answer to the order for longer than a session that ends
// waits, or until whoever asked gives up.
type slowOrder struct {
	next    http.RoundTripper
	ordered chan struct{}
}

func (s slowOrder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if !strings.Contains(req.URL.Path, "/asks/") {
		return resp, err
	}
	close(s.ordered)
	select {
	case <-time.After(3 * time.Second):
		return resp, err
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// TestACancelledCallIsNotAnswered: its client no longer knows the request, and
// the session goes on.
func TestACancelledCallIsNotAnswered(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast()})
	w := dial(t, r, way{version: "2025-11-25"}, canAsk, yes)
	res := w.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090")))
	var made struct {
		InstanceID int64 `json:"instance_id"`
	}
	require.NoError(t, json.Unmarshal(res.Structured, &made))
	w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":"w","method":"tools/call","params":{"name":"wait_for_instance","arguments":{"instance_id":%d,"until":"gone"},"_meta":{"progressToken":1}}}`, made.InstanceID))
	require.Equal(t, "notifications/progress", w.read().Method, "it waits")
	w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"w"}}`)
	for range 20 {
		require.NotNil(t, w.request("ping", `{}`).Result)
	}
	_ = w.out.(io.Closer).Close()
	rest, err := io.ReadAll(w.in)
	require.NoError(t, err)
	require.NotContains(t, string(rest), `"id":"w"`)
}

// TestWaitingForPeopleBlocksNobody: each open question holds a worker, of which
// the library has five.
func TestWaitingForPeopleBlocksNobody(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast()})
	w := dial(t, r, way{version: "2025-11-25"}, canAsk, yes)
	offer := r.Offer("RTX 4090")
	asked := map[string]bool{}
	for i := range 10 {
		w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":"q%d","method":"tools/call","params":{"name":"create_instance","arguments":{"offer_id":%d,"image":"pytorch/pytorch","label":"n%d"}}}`, i, offer, i))
		m := w.read()
		require.Equal(t, "elicitation/create", m.Method)
		asked[string(m.ID)] = true
	}
	require.Len(t, asked, 10)
	require.Contains(t, string(w.call("list_ssh_keys", `{}`).Structured), `"keys":[]`)
	require.Empty(t, r.Machines())
}

func TestASignalEndsTheSessionInOrder(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast()})
	ctx, cancel := context.WithCancel(t.Context())
	input, client := io.Pipe()
	output, server := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- r.App.ServeStdio(ctx, input, server)
		_ = server.Close()
	}()
	go func() { _, _ = io.WriteString(client, hello) }()
	first := make([]byte, 1)
	_, err := output.Read(first)
	require.NoError(t, err)
	cancel()
	_, _ = io.Copy(io.Discard, output)
	require.NoError(t, <-ended)
	_ = client.Close()
}

func TestInstructionsAreShortAndTrue(t *testing.T) {
	for mode, says := range map[guard.Mode]string{guard.Client: "ask the user first", guard.Operator: "approved by the owner", guard.Model: "approval set to its quote_id", guard.Auto: "within the owner's limits"} {
		r := rig.New(t, rig.Options{Mode: mode})
		text := r.App.Instructions()
		require.LessOrEqual(t, len(text), 800, text)
		require.Contains(t, text, says)
		require.Contains(t, text, "SANDBOX")
		require.Contains(t, text, "search_offers")
	}
}

func TestSelections(t *testing.T) {
	r := rig.New(t, rig.Options{Selection: tool.Selection{ReadOnly: true, Exclude: []string{"list_gpus"}}})
	catalogue, err := r.App.Tools(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(catalogue), `"search_offers"`)
	require.NotContains(t, string(catalogue), `"create_instance"`)
	require.NotContains(t, string(catalogue), `"list_gpus"`)
	_, err = r.App.Call(t.Context(), "create_instance", json.RawMessage(`{}`), nil)
	require.ErrorContains(t, err, `no tool "create_instance"`, "what is not listed cannot be called")
}

// TestAYesToAnotherQuestionOpensNothing: the state that a modern client sends
// back must name the very quote that this call has.
func TestAYesToAnotherQuestionOpensNothing(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast()})
	w := dial(t, r, way{version: "2026-07-28"}, canAsk, yes)
	args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090"))
	for _, state := range []string{"q_forged", ""} {
		m := w.request("tools/call", fmt.Sprintf(`{"name":"create_instance","arguments":%s,"requestState":%q,"inputResponses":{"approve":%s}}`, args, state, yes))
		require.Contains(t, string(m.Result), `"input_required"`, "it is asked, not taken as answered")
	}
	require.Empty(t, r.Machines())
}
