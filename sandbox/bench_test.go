package sandbox_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func BenchmarkSearch(b *testing.B) {
	m, err := sandbox.Open(sandbox.Options{})
	require.NoError(b, err)
	client := &http.Client{Transport: m.Transport()}
	const query = `{"verified":{"eq":true},"external":{"eq":false},"rentable":{"eq":true},"order":[["dph_total","asc"]]}`
	for b.Loop() {
		res, err := client.Post(m.Origin()+"/api/v0/bundles/", "application/json", strings.NewReader(query))
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(b, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		_, err := sandbox.Open(sandbox.Options{Dir: dir})
		require.NoError(b, err)
	}
}
