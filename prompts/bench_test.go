package prompts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/server"
	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/usd"
	"vast-mcp/prompts"
	"vast-mcp/tools"
	"vast-mcp/vast"
)

// bench is a server with nothing but the prompts, spoken to in bytes.
type bench struct {
	t   *testing.T
	srv *server.MCPServer
}

func onMarket(t *testing.T, r *rig.Rig) bench {
	t.Helper()
	return newBench(t, prompts.Deps{
		Instances: r.Client.Instances, Market: r.Client.Offers, Templates: r.Client.Templates, Account: r.Client.Account,
		Billing: r.Client.Billing, APIClock: r.Client,
	})
}

func newBench(t *testing.T, d prompts.Deps) bench {
	t.Helper()
	d.Explain, d.Sandbox, d.Now, d.Log = tools.Explain, true, time.Now, slog.New(slog.DiscardHandler)
	d.Lease = 24 * time.Hour
	if d.InForce == nil {
		d.InForce = approving(guard.Client)
	}
	s := server.NewMCPServer("test", "1", server.WithPromptCapabilities(false), server.WithCompletions(), server.WithPromptCompletionProvider(prompts.NewCompleter(d)))
	prompts.Register(s, d)
	return bench{t, s}
}

// approving is a policy under which mode m approves.
func approving(m guard.Mode) func(context.Context) guard.InForce {
	return func(context.Context) guard.InForce {
		return guard.InForce{Policy: guard.Policy{MaxPerHour: new(usd.Dollar), DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour}, Mode: m}
	}
}

// answer is what came back.
type answer struct {
	Result struct {
		Prompts []struct {
			Name, Title, Description string
			Arguments                []struct {
				Name, Description string
				Required          bool
			}
		}
		Description string
		Messages    []struct {
			Role    string
			Content struct{ Type, Text string }
		}
		Completion struct {
			Values  []string
			Total   int
			HasMore bool
		}
	}
	Error *struct {
		Code    int
		Message string
	}
}

func (b bench) ask(method string, params any) answer {
	b.t.Helper()
	request, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	require.NoError(b.t, err)
	raw, err := json.Marshal(b.srv.HandleMessage(b.t.Context(), request))
	require.NoError(b.t, err)
	var a answer
	require.NoError(b.t, json.Unmarshal(raw, &a), "%s", raw)
	return a
}

// get returns the text of a prompt, and checks what holds for all.
func (b bench) get(name string, args map[string]string) string {
	b.t.Helper()
	a := b.ask("prompts/get", map[string]any{"name": name, "arguments": args})
	require.Nil(b.t, a.Error, "%s: %+v", name, a.Error)
	require.NotEmpty(b.t, a.Result.Description)
	require.Len(b.t, a.Result.Messages, 1)
	m := a.Result.Messages[0]
	require.Equal(b.t, "user", m.Role)
	require.Equal(b.t, "text", m.Content.Type)
	require.LessOrEqual(b.t, len(facts(b.t, m.Content.Text)), 4<<10, "the facts of %s are capped", name)
	require.LessOrEqual(b.t, len(m.Content.Text), 8<<10)
	return m.Content.Text
}

// facts is what stands between the marks.
func facts(t *testing.T, text string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(text, "\n<<<\n"), text)
	require.True(t, strings.HasSuffix(text, "\n>>>\n"), text)
	_, after, _ := strings.Cut(text, "\n<<<\n")
	require.Equal(t, 1, strings.Count(after, "\n>>>\n"), "nothing ends the facts early")
	return strings.TrimSuffix(after, ">>>\n")
}

func (b bench) fails(name string, args map[string]string) string {
	b.t.Helper()
	a := b.ask("prompts/get", map[string]any{"name": name, "arguments": args})
	require.NotNil(b.t, a.Error)
	return a.Error.Message
}

func (b bench) complete(name, argument, typed string) answer {
	b.t.Helper()
	return b.ask("completion/complete", map[string]any{
		"ref": map[string]string{"type": "ref/prompt", "name": name}, "argument": map[string]string{"name": argument, "value": typed},
	})
}

func (b bench) values(name, argument, typed string) []string {
	b.t.Helper()
	a := b.complete(name, argument, typed)
	require.Nil(b.t, a.Error)
	require.LessOrEqual(b.t, len(a.Result.Completion.Values), 100)
	return a.Result.Completion.Values
}

// api is an account that says whatever a test wants.
type api struct {
	rows      []vast.Instance
	charges   []vast.Charge
	templates map[string][]vast.Template // by the field that they are searched by
	err       error
	noCharges error
}

func (a *api) All(context.Context) ([]vast.Instance, error) { return a.rows, a.err }

func (a *api) Get(_ context.Context, id vast.InstanceID) (vast.Instance, error) {
	for _, row := range a.rows {
		if row.ID == id {
			return row, a.err
		}
	}
	return vast.Instance{}, &vast.Error{Code: vast.NotFound, Message: fmt.Sprintf("there is no instance %d", id)}
}

func (a *api) Current(context.Context) (vast.User, error) {
	return vast.User{ID: 1, Username: "alice", Credit: 12.5}, a.err
}

func (a *api) GPUNames(context.Context) ([]string, error) {
	if a.err != nil {
		return nil, a.err
	}
	return []string{"RTX 3090", "RTX 4090", "H100\u202e SXM"}, nil
}

func (a *api) Search(_ context.Context, f vast.Filter) ([]vast.Template, error) {
	for field := range f {
		return a.templates[field], a.err
	}
	return nil, a.err
}

func (a *api) Charges(context.Context, vast.ChargeQuery) iter.Seq2[vast.Charge, error] {
	return func(yield func(vast.Charge, error) bool) {
		for _, c := range a.charges {
			if !yield(c, nil) {
				return
			}
		}
		if a.noCharges != nil {
			yield(vast.Charge{}, a.noCharges)
		}
	}
}

func (a *api) ServerTime() time.Time { return time.Unix(1_800_000_000, 0) }

func withAPI(t *testing.T, a *api) bench {
	t.Helper()
	return newBench(t, prompts.Deps{Instances: a, Market: a, Templates: a, Account: a, Billing: a, APIClock: a})
}
