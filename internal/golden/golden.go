// Package golden compares what a test made with a file in the tree. Only tests
// import it.
//
// The one rule: a missing or different file fails, here and in CI; UPDATE_GOLDEN=1
// rewrites it, which `make golden` does.
package golden

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Text compares got with the file at path.
func Text(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") == "1" { //nolint:forbidigo // a switch for whoever runs the tests
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path) //nolint:gosec // a file of the tree
	require.NoError(t, err, "make golden writes it")
	require.Equal(t, string(want), got, "%s is stale: look at the difference, and run make golden if it is meant", path)
}

// JSON compares v, indented, with the file at path.
func JSON(t *testing.T, path string, v any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(v))
	Text(t, path, b.String())
}
