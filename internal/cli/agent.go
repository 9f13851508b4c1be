package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"vast-mcp/internal/server"
)

// agent is a small MCP client: what the demo drives the server with, over the
// same bytes as any other client would.
type agent struct {
	in  *bufio.Reader
	out io.Writer
	id  int

	// asked answers the server's question; progressed is told of progress.
	asked      func(question string) bool
	progressed func(message string)
}

// rpc is any JSON-RPC message.
type rpc struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcError struct {
	Message string `json:"message"`
}

// connect serves app over pipes and introduces an agent to it. The returned
// func ends the session and waits for the server.
func connect(ctx context.Context, app *server.App) (*agent, func() error, error) {
	fromAgent, toServer := io.Pipe()
	fromServer, toAgent := io.Pipe()
	served := make(chan error, 1)
	go func() {
		err := app.ServeStdio(ctx, fromAgent, toAgent)
		_ = toAgent.CloseWithError(io.EOF)
		served <- err
	}()
	end := func() error {
		_ = toServer.Close()
		return <-served
	}
	a, err := introduce(fromServer, toServer)
	return a, end, err
}

// introduce is an agent whose server is at the other end of the two streams.
func introduce(in io.Reader, out io.Writer) (*agent, error) {
	a := &agent{in: bufio.NewReader(in), out: out}
	_, err := a.request("initialize", map[string]any{
		"protocolVersion": "2025-11-25",
		"capabilities":    map[string]any{"elicitation": map[string]any{}},
		"clientInfo":      map[string]any{"name": "demo", "version": "1"},
	})
	if err == nil {
		err = a.send(rpc{Method: "notifications/initialized"})
	}
	return a, err
}

// toolAnswer is what a tool's result holds.
type toolAnswer struct {
	Content []struct {
		Text string `json:"text"`
	} `json:"content"`
	Structured json.RawMessage `json:"structuredContent"`
	IsError    bool            `json:"isError"`
}

// call calls a tool and returns its text; what it answered goes into out.
func (a *agent) call(tool string, args, out any) (string, error) {
	raw, err := a.request("tools/call", map[string]any{
		"name": tool, "arguments": args, "_meta": map[string]any{"progressToken": tool},
	})
	if err != nil {
		return "", err
	}
	var res toolAnswer
	if err := json.Unmarshal(raw, &res); err != nil || len(res.Content) == 0 {
		return "", fmt.Errorf("%s: unreadable answer: %w", tool, err)
	}
	text := res.Content[0].Text
	if res.IsError {
		return text, fmt.Errorf("%s: %s", tool, text)
	}
	return text, json.Unmarshal(res.Structured, out)
}

func (a *agent) request(method string, params any) (json.RawMessage, error) {
	a.id++
	id := fmt.Appendf(nil, "%d", a.id)
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	if err := a.send(rpc{ID: id, Method: method, Params: raw}); err != nil {
		return nil, err
	}
	for {
		m, err := a.receive()
		switch {
		case err != nil:
			return nil, err
		case m.Method != "":
			if err := a.serve(m); err != nil {
				return nil, err
			}
		case string(m.ID) != string(id):
		case m.Error != nil:
			return nil, fmt.Errorf("%s: %s", method, m.Error.Message)
		default:
			return m.Result, nil
		}
	}
}

// serve answers what the server asks and takes what it tells.
func (a *agent) serve(m rpc) error {
	var params struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(m.Params, &params); err != nil {
		return err
	}
	switch m.Method {
	case "notifications/progress":
		a.progressed(params.Message)
	case "elicitation/create":
		answer := map[string]any{"action": "decline"}
		if a.asked(params.Message) {
			answer = map[string]any{"action": "accept", "content": map[string]any{"approve": true}}
		}
		raw, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		return a.send(rpc{ID: m.ID, Result: raw})
	}
	return nil
}

func (a *agent) send(m rpc) error {
	m.JSONRPC = "2.0"
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(line, '\n'))
	return err
}

func (a *agent) receive() (rpc, error) {
	var m rpc
	line, err := a.in.ReadBytes('\n')
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(line, &m)
}
