package server_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/internal/tool"
)

// TestEveryWayHasResourcesPromptsAndCompletions: what they say is tested in
// their rooms.
func TestEveryWayHasResourcesPromptsAndCompletions(t *testing.T) {
	for _, by := range ways() {
		t.Run(by.String(), func(t *testing.T) {
			r := rig.New(t, rig.Options{Market: fast()})
			w := dial(t, r, by, cannotAsk, "")
			for method, c := range map[string]struct{ params, says string }{
				"resources/list":           {`{}`, `"vast://policy"`},
				"resources/templates/list": {`{}`, `"vast://instances/{id}/logs"`},
				"resources/read":           {`{"uri":"vast://instances"}`, `\"total\":0`},
				"prompts/list":             {`{}`, `"rent_gpu"`},
				"prompts/get":              {`{"name":"rent_gpu","arguments":{"gpu":"H100"}}`, `H100`},
				"completion/complete":      {`{"ref":{"type":"ref/prompt","name":"rent_gpu"},"argument":{"name":"gpu","value":"rtx 40"}}`, `"RTX 4090"`},
			} {
				m := w.request(method, c.params)
				require.Nil(t, m.Error, "%s: %+v", method, m.Error)
				require.Contains(t, string(m.Result), c.says, method)
				if w.modern && strings.HasSuffix(method, "/list") {
					require.Contains(t, string(m.Result), `"ttlMs":300000`, method)
					require.Contains(t, string(m.Result), `"cacheScope":"public"`, method)
				}
				if w.modern && method == "resources/read" {
					require.Contains(t, string(m.Result), `"cacheScope":"private"`)
				}
			}
			m := w.request("resources/read", `{"uri":"vast://nothing"}`)
			require.Equal(t, map[bool]int{false: -32002, true: -32602}[w.modern], m.Error.Code)
		})
	}
}

// TestPromptsNameToolsThatAreThere: a server that may only read proposes no
// rental.
func TestPromptsNameToolsThatAreThere(t *testing.T) {
	r := rig.New(t, rig.Options{Selection: tool.Selection{ReadOnly: true}})
	w := dial(t, r, way{version: "2025-11-25"}, cannotAsk, "")
	var list struct {
		Prompts []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal(w.request("prompts/list", `{}`).Result, &list))
	require.Equal(t, []struct{ Name string }{{"cost_review"}, {"diagnose_instance"}}, list.Prompts)
}

// TestAPanicIsNotToldToAnybody: its text may hold anything.
func TestAPanicIsNotToldToAnybody(t *testing.T) {
	const secret = "the secret in the panic"
	r := rig.New(t, rig.Options{Market: fast(), Configure: func(c *server.Config) {
		c.Fixtures = func(s *mcpserver.MCPServer) {
			s.AddResource(mcp.NewResource("vast://broken", "broken"), func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) { panic(secret) })
			s.AddPrompt(mcp.NewPrompt("broken"), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) { panic(secret) })
		}
	}})
	w := dial(t, r, way{version: "2025-11-25"}, cannotAsk, "")
	for method, params := range map[string]string{"resources/read": `{"uri":"vast://broken"}`, "prompts/get": `{"name":"broken"}`} {
		m := w.request(method, params)
		require.Contains(t, m.Error.Message, "internal: ")
		require.NotContains(t, m.Error.Message, secret)
		require.Contains(t, r.Log.String(), secret, "the log has it")
	}
	require.NotNil(t, w.request("ping", `{}`).Result, "and the server goes on")
}
