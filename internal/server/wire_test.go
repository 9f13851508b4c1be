package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fast lets a boot of minutes pass while a test polls.
func fast() sandbox.Options { return sandbox.Options{Speed: 5000} }

// way is a way to speak to the server.
type way struct {
	over    string // stdio or http
	version string // of the protocol
	token   string // bearer, over HTTP
}

func (w way) String() string { return w.over + " " + w.version }

// ways are all transports in all protocol versions.
func ways() []way {
	var all []way
	for _, over := range []string{"stdio", "http"} {
		for _, version := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
			all = append(all, way{over: over, version: version})
		}
	}
	return all
}

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

// dial serves the rig's app and introduces a client to it.
func dial(t *testing.T, r *rig.Rig, by way, caps, answer string) *wire {
	t.Helper()
	w := &wire{t: t, modern: by.version >= "2026", caps: caps, answer: answer}
	if by.over == "http" {
		w.overHTTP(serveHTTP(t, r, server.HTTP{}), by)
	} else {
		w.overPipes(r)
	}
	w.greet(by.version)
	return w
}

func (w *wire) greet(version string) {
	if w.modern {
		return
	}
	m := w.request("initialize", fmt.Sprintf(`{"protocolVersion":%q,"capabilities":%s,"clientInfo":{"name":"t","version":"1"}}`, version, w.caps))
	require.Contains(w.t, string(m.Result), fmt.Sprintf(`"protocolVersion":%q`, version))
	w.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

// overPipes connects the client to a stdio server.
func (w *wire) overPipes(r *rig.Rig) {
	toServer, fromClient := io.Pipe()
	fromServer, toClient := io.Pipe()
	w.out, w.in = fromClient, bufio.NewReader(fromServer)
	ended := make(chan error, 1)
	go func() {
		err := r.App.ServeStdio(context.WithoutCancel(w.t.Context()), toServer, toClient)
		_ = toClient.Close()
		ended <- err
	}()
	w.close = sync.OnceFunc(func() {
		_ = fromClient.Close()
		_, _ = io.Copy(io.Discard, w.in)
		require.NoError(w.t, <-ended)
	})
	w.t.Cleanup(w.close)
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
