package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

// dialogue asks the client something, round after round, before it is done. The
// library turns the questions into requests of the server for clients that are
// older than rounds.
type dialogue struct {
	name   string
	rounds []mcp.InputRequests
}

var (
	errForgedState   = errors.New("the requestState is not one of this tool's")
	errCannotBeAsked = errors.New("the client declares no capability to answer the question")
)

// hold takes what the client says in this round and returns what it is to be
// asked next: nothing when all is said. It fails on a state that is not ours.
func (f fixtures) hold(ctx context.Context, d dialogue, said mcp.MultiRoundTripParams) (mcp.MultiRoundTripResult, error) {
	var next mcp.MultiRoundTripResult
	round, err := f.round(d, said.RequestState)
	if err != nil {
		return next, err
	}
	questions := askable(ctx, d.rounds[round])
	if len(questions) == 0 {
		return next, errCannotBeAsked
	}
	if answered(questions, said.InputResponses) {
		if round++; round == len(d.rounds) {
			return next, nil
		}
		questions = askable(ctx, d.rounds[round])
	}
	return mcp.MultiRoundTripResult{InputRequests: questions, RequestState: f.state(d, round)}, nil
}

// state names a round of a dialogue so that no client can make one up.
func (f fixtures) state(d dialogue, round int) string {
	mac := hmac.New(sha256.New, f.key)
	_, _ = fmt.Fprintf(mac, "%s %d", d.name, round) // a hash takes everything
	return hex.EncodeToString(mac.Sum(nil))
}

func (f fixtures) round(d dialogue, state string) (int, error) {
	if state == "" {
		return 0, nil
	}
	for round := range d.rounds {
		if hmac.Equal([]byte(state), []byte(f.state(d, round))) {
			return round, nil
		}
	}
	return 0, errForgedState
}

// askable are the questions that the client declared to answer.
func askable(ctx context.Context, questions mcp.InputRequests) mcp.InputRequests {
	can := declared(ctx)
	all := maps.Clone(questions)
	maps.DeleteFunc(all, func(_ string, q mcp.InputRequest) bool {
		switch q.Method {
		case mcp.MethodElicitationCreate:
			return can.Elicitation == nil
		case mcp.MethodSamplingCreateMessage:
			return can.Sampling == nil
		default:
			return can.Roots == nil
		}
	})
	return all
}

func declared(ctx context.Context) mcp.ClientCapabilities {
	if info := mcpserver.RequestProtocolInfoFromContext(ctx); info != nil && info.ClientCapabilities != nil {
		return *info.ClientCapabilities
	}
	if session, ok := mcpserver.ClientSessionFromContext(ctx).(mcpserver.SessionWithClientInfo); ok {
		return session.GetClientCapabilities()
	}
	return mcp.ClientCapabilities{}
}

// answered reports whether every question got an answer of its kind. Answers to
// what nobody asked do not matter.
func answered(questions mcp.InputRequests, answers mcp.InputResponses) bool {
	for id, q := range questions {
		switch q.Method {
		case mcp.MethodElicitationCreate:
			if said := mcpserver.ElicitationResponse(answers, id); said == nil || said.Action == "" {
				return false
			}
		case mcp.MethodSamplingCreateMessage:
			if mcpserver.SamplingResponse(answers, id) == nil {
				return false
			}
		default:
			if mcpserver.RootsResponse(answers, id) == nil {
				return false
			}
		}
	}
	return true
}

// tool adds a tool that holds the dialogue and repeats the last answers.
func (f fixtures) tool(s *mcpserver.MCPServer, t mcp.Tool, rounds func(mcp.CallToolRequest) []mcp.InputRequests) {
	s.AddTool(t, func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		next, err := f.hold(ctx, dialogue{t.Name, rounds(req)}, req.Params.MultiRoundTripParams)
		switch {
		case errors.Is(err, errCannotBeAsked):
			return mcp.NewToolResultError(err.Error()), nil
		case err != nil:
			return nil, err
		case len(next.InputRequests) > 0:
			return &mcp.CallToolResult{Result: mcp.Result{ResultType: mcp.ResultTypeInputRequired}, MultiRoundTripResult: next}, nil
		}
		said, err := json.Marshal(req.Params.InputResponses)
		return mcp.NewToolResultText("The client said " + string(said)), err
	})
}
