package tool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
)

type labelInput struct {
	Label string `json:"label" jsonschema_description:"text"`
}

// FuzzApproval: the argument approval never changes which call this is, and is
// an unknown argument where it means nothing.
func FuzzApproval(f *testing.F) {
	for _, approval := range []string{`"q_1"`, `""`, `null`, `7`, `{"a":1}`, `"\u0000"`, `["x"]`, `"a","approval":"b"`, `"a","label":"b"`, `1e999`, `}`} {
		f.Add(approval)
	}
	f.Fuzz(func(t *testing.T, approval string) {
		args := fmt.Appendf(nil, `{"label":"x","approval":%s}`, approval)
		var meant labelInput
		given := map[string]json.RawMessage{}
		object := json.Unmarshal(args, &given) == nil && json.Unmarshal(args, &meant) == nil
		for _, mode := range []guard.Mode{guard.Model, guard.Operator} {
			var planned []labelInput
			_, r := runnerIn(t, mode, tool.Access(tool.Spec{Name: "let_in"}, tool.Guarded[labelInput, output]{
				Plan: func(_ context.Context, _ tool.Call, in labelInput) (guard.Plan, error) {
					planned = append(planned, in)
					return guard.Plan{Kind: guard.KindAct, Summary: "Do it"}, nil
				},
			}))
			x, found := r.Find("let_in")
			require.True(t, found)
			res := r.Call(t.Context(), x, args, nil)
			if res.Failure != nil {
				require.Contains(t, []tool.Code{tool.InvalidArguments, tool.OtherCall}, res.Failure.Code, res.Failure.Message)
			}
			for _, in := range planned {
				require.True(t, object)
				require.Equal(t, meant, in)
			}
			if value := string(given["approval"]); mode == guard.Operator && value != "" && value != "null" {
				require.Empty(t, planned, "nobody names a quote there")
			}
		}
	})
}
