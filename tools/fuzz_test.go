package tools_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/tools"
)

// FuzzArguments throws arguments at every tool of a program without a key: each
// must be refused for what it is, and none may fail inside.
func FuzzArguments(f *testing.F) {
	f.Add([]byte(`{"gpu_names":["RTX 4090"],"limit":3}`))
	f.Add([]byte(`{"offer_id":1e300,"image":"a"}`))
	f.Add([]byte(`{"instance_ids":[1.5,null,"x"],"approval":7}`))
	f.Add([]byte(`{"query":{"gpu_ram":{"gte":[]}},"env":{"":""}}`))
	f.Add([]byte("{\"label\":\"\xff\"}"))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, args []byte) {
		r := rig.New(t, rig.Options{NoKey: true})
		for _, x := range all() {
			res, err := r.App.Call(t.Context(), x.Name, json.RawMessage(args), nil)
			require.NoError(t, err)
			require.NotNil(t, res.Failure, "%s did something without a key", x.Name)
			require.Contains(t, []tool.Code{tool.InvalidArguments, tool.NoKey}, res.Failure.Code, "%s %q: %s", x.Name, args, res.Failure.Message)
		}
	})
}

func TestExplainKnowsNothingOfOtherErrors(t *testing.T) {
	require.Nil(t, tools.Explain(json.Unmarshal([]byte("{"), &struct{}{})), "a defect is not explained away")
}
