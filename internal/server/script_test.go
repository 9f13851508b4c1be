package server_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
)

// TestScripts plays the sessions in testdata/script: what goes in, line by
// line, and for each id a pattern that its answer must match.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "script", "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			script, err := txtar.ParseFile(path)
			require.NoError(t, err)
			require.Len(t, script.Files, 2)
			r := rig.New(t, rig.Options{Market: fast()})
			var out bytes.Buffer
			require.NoError(t, r.App.ServeStdio(t.Context(), bytes.NewReader(script.Files[0].Data), &out))
			lines := map[string]string{}
			for line := range strings.Lines(out.String()) {
				for id := range answers(t, line) {
					lines[id] = line
				}
			}
			for want := range strings.Lines(string(script.Files[1].Data)) {
				id, pattern, _ := strings.Cut(strings.TrimSpace(want), " ")
				require.Regexp(t, pattern, lines[id], "answer to %s", id)
				delete(lines, id)
			}
			require.Empty(t, lines, "every answer is accounted for")
			require.Empty(t, r.Machines(), "a script spends nothing unasked")
		})
	}
}
