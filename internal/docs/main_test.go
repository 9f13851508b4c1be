package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPagesAreFresh(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for _, p := range pages() {
		have, err := os.ReadFile(p.path)
		require.NoError(t, err)
		want, err := p.render(p.path)
		require.NoError(t, err)
		require.Equal(t, want, string(have), "%s is stale: run make docs", p.path)
	}
}

func TestFillWantsItsMarkers(t *testing.T) {
	_, err := fill("no markers here", "tools", "x")
	require.ErrorContains(t, err, `no block "tools"`)
	got, err := fill("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb", "x", "new\n")
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb", got)
}
