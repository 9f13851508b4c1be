package resources_test

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
	"vast-mcp/resources"
	"vast-mcp/tools"
	"vast-mcp/vast"
)

// legacy and modern are what a client of either era sends along.
const (
	legacy = ``
	modern = `,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
)

// bench is a server with nothing but the resources, spoken to in bytes.
type bench struct {
	t   *testing.T
	srv *server.MCPServer
}

// onMarket reads from a market in memory.
func onMarket(t *testing.T, r *rig.Rig) bench {
	t.Helper()
	return newBench(t, resources.Deps{Instances: r.Client.Instances, Account: r.Client.Account, Billing: r.Client.Billing, APIClock: r.Client})
}

func newBench(t *testing.T, d resources.Deps) bench {
	t.Helper()
	d.Explain, d.Sandbox = tools.Explain, true
	in, err := guard.Ceiling{}.Under(guard.Policy{DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour}, guard.Client)
	require.NoError(t, err)
	d.InForce = func(context.Context) guard.InForce { return in }
	if d.Standing == nil {
		d.Standing = func(context.Context, guard.Need) (guard.Standing, error) { return guard.Standing{InForce: in}, nil }
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	s := server.NewMCPServer("test", "1", server.WithResourceCapabilities(false, false), server.WithCompletions(),
		server.WithResourceCompletionProvider(resources.NewCompleter(d)))
	resources.Register(s, d)
	return bench{t, s}
}

// answer is what came back.
type answer struct {
	Result struct {
		Contents []struct {
			URI, MIMEType, Text string
		}
		Resources         []map[string]string
		ResourceTemplates []map[string]string
		Completion        struct {
			Values  []string
			Total   int
			HasMore bool
		}
		TTLMs      *int
		CacheScope string
	}
	Error *struct {
		Code    int
		Message string
	}
}

func (b bench) ask(method, params, meta string) answer {
	b.t.Helper()
	request := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s}}`, method, strings.TrimPrefix(params+meta, ","))
	raw, err := json.Marshal(b.srv.HandleMessage(b.t.Context(), json.RawMessage(request)))
	require.NoError(b.t, err)
	var a answer
	require.NoError(b.t, json.Unmarshal(raw, &a), "%s", raw)
	return a
}

// read reads a resource that has to be there, and checks what holds for all.
func (b bench) read(uri string) string {
	b.t.Helper()
	a := b.ask("resources/read", fmt.Sprintf(`"uri":%q`, uri), legacy)
	require.Nil(b.t, a.Error, "%s: %+v", uri, a.Error)
	require.Len(b.t, a.Result.Contents, 1)
	got := a.Result.Contents[0]
	require.Equal(b.t, uri, got.URI)
	require.Equal(b.t, "application/json", got.MIMEType)
	require.LessOrEqual(b.t, len(got.Text), 32<<10, uri)
	require.True(b.t, json.Valid([]byte(got.Text)), got.Text)
	require.NotContains(b.t, got.Text, ":null", "%s: what is not there is left out", uri)
	return got.Text
}

// decode reads a resource into out.
func (b bench) decode(uri string, out any) string {
	b.t.Helper()
	text := b.read(uri)
	require.NoError(b.t, json.Unmarshal([]byte(text), out))
	return text
}

// fails reads a resource that cannot be read and returns the message.
func (b bench) fails(uri string) string {
	b.t.Helper()
	a := b.ask("resources/read", fmt.Sprintf(`"uri":%q`, uri), legacy)
	require.NotNil(b.t, a.Error, "%s answered %+v", uri, a.Result)
	require.Equal(b.t, -32603, a.Error.Code)
	return a.Error.Message
}

func (b bench) complete(uri, argument, typed string) answer {
	b.t.Helper()
	return b.ask("completion/complete", fmt.Sprintf(`"ref":{"type":"ref/resource","uri":%q},"argument":{"name":%q,"value":%q}`, uri, argument, typed), legacy)
}

// api is an account that says whatever a test wants.
type api struct {
	rows    []vast.Instance
	log     string
	charges []vast.Charge
	err     error
	lists   int
}

func (a *api) All(context.Context) ([]vast.Instance, error) {
	a.lists++
	return a.rows, a.err
}

func (a *api) Get(_ context.Context, id vast.InstanceID) (vast.Instance, error) {
	for _, row := range a.rows {
		if row.ID == id {
			return row, a.err
		}
	}
	return vast.Instance{}, &vast.Error{Code: vast.NotFound, Message: fmt.Sprintf("there is no instance %d", id)}
}

func (a *api) Logs(context.Context, vast.InstanceID, vast.LogOptions) (string, error) {
	return a.log, a.err
}

func (a *api) Current(context.Context) (vast.User, error) {
	return vast.User{ID: 1, Username: "alice", Credit: 12.5}, a.err
}

func (a *api) Charges(context.Context, vast.ChargeQuery) iter.Seq2[vast.Charge, error] {
	return func(yield func(vast.Charge, error) bool) {
		for _, c := range a.charges {
			if !yield(c, nil) {
				return
			}
		}
		if a.err != nil {
			yield(vast.Charge{}, a.err)
		}
	}
}

func (a *api) ServerTime() time.Time { return time.Unix(1_800_000_000, 0) }

func withAPI(t *testing.T, a *api) bench {
	t.Helper()
	return newBench(t, resources.Deps{Instances: a, Account: a, Billing: a, APIClock: a})
}
