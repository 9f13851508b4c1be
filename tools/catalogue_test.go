package tools_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/golden"
	"vast-mcp/internal/tool"
	"vast-mcp/tools"
)

// ceiling is what a model may see of the default catalogue, in bytes: every
// user pays for every tool on every request.
const ceiling = 12 << 10

// seen is what a model sees of a tool.
type seen struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"inputSchema"`
}

func all() []tool.Tool {
	var all []tool.Tool
	for _, s := range tools.Sets(tools.Deps{}) {
		all = append(all, s.Tools...)
	}
	return all
}

func TestCatalogueIsGoldenAndSmall(t *testing.T) {
	index, total := "", 0
	for _, x := range all() {
		def := x.Definition(guard.Client)
		golden.JSON(t, filepath.Join("..", "testdata", "schemas", x.Name+".json"), def)
		raw, err := json.Marshal(seen{def.Name, def.Description, def.RawInputSchema})
		require.NoError(t, err)
		total += len(raw)
		index += fmt.Sprintf("%-20s %-8s %5d\n", x.Name, x.Effect, len(raw))
	}
	index += fmt.Sprintf("%-20s %-8s %5d\n", "total", "", total)
	golden.Text(t, filepath.Join("..", "testdata", "schemas", "INDEX"), index)
	require.LessOrEqual(t, total, ceiling, "every user pays for every tool on every request: shorten a description")
}

func TestEveryToolIsWellDeclared(t *testing.T) {
	schema := regexp.MustCompile(`^[\x20-\x7e]+$`)
	name := regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`)
	ascii := regexp.MustCompile(`^[\x20-\x7e]+$`)
	known := map[string]bool{}
	for _, x := range all() {
		require.Regexp(t, name, x.Name)
		require.Regexp(t, ascii, x.Doc, x.Name)
		require.LessOrEqual(t, len(x.Doc), 300, x.Name)
		require.NotEmpty(t, x.Title, x.Name)
		require.Regexp(t, schema, string(x.Definition(guard.Model).RawInputSchema), x.Name)
		for _, n := range append([]string{x.Name}, x.Aliases...) {
			require.False(t, known[n], "%s is taken twice", n)
			known[n] = true
		}
	}
	require.Len(t, all(), 21)
	for _, alias := range []string{"stop", "destroy", "logs"} {
		require.True(t, known[alias], alias)
	}
}

func TestAnnotationsFollowFromTheEffect(t *testing.T) {
	want := map[string]tool.Effect{
		"create_instance": tool.EffectSpend, "start_instance": tool.EffectSpend, "extend_lease": tool.EffectSpend,
		"destroy_instance": tool.EffectDestroy, "stop_instance": tool.EffectDestroy,
		"add_ssh_key": tool.EffectAccess, "attach_ssh_key": tool.EffectAccess,
		"reboot_instance": tool.EffectChange, "label_instance": tool.EffectChange, "detach_ssh_key": tool.EffectChange,
	}
	for _, x := range all() {
		effect, guarded := want[x.Name]
		if !guarded {
			effect = tool.EffectRead
		}
		require.Equal(t, effect, x.Effect, x.Name)
		a := x.Definition(guard.Client).Annotations
		require.Equal(t, effect == tool.EffectRead, *a.ReadOnlyHint, x.Name)
		require.Equal(t, effect == tool.EffectSpend || effect == tool.EffectDestroy, *a.DestructiveHint, x.Name)
	}
}

func TestApprovalIsAnArgumentOnlyInModeModel(t *testing.T) {
	for _, x := range all() {
		require.NotContains(t, string(x.Definition(guard.Client).RawInputSchema), `"approval"`, x.Name)
		model := string(x.Definition(guard.Model).RawInputSchema)
		guarded := x.Effect == tool.EffectSpend || x.Effect == tool.EffectDestroy || x.Effect == tool.EffectAccess
		require.Equal(t, guarded, strings.Contains(model, `"approval"`), x.Name)
		require.True(t, json.Valid([]byte(model)), x.Name)
	}
}
