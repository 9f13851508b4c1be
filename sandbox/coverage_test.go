package sandbox_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// unnamed is a route without the names of what stands in it.
func unnamed(route string) string {
	return regexp.MustCompile(`{[a-z_]+}`).ReplaceAllString(route, "{}")
}

func TestCoverage(t *testing.T) {
	var operations []string
	for _, op := range sandbox.Operations() {
		operations = append(operations, unnamed(op))
	}
	rows := sandbox.Index()
	require.Len(t, rows, 59)
	for i, row := range rows {
		require.Equal(t, i+1, row.Number)
		name := fmt.Sprintf("%d %s", row.Number, row.Operation)
		require.NotEmpty(t, append(row.Served, row.Missing...), name)
		for _, route := range row.Served {
			require.Contains(t, operations, unnamed(route), name)
		}
		for _, route := range row.Missing {
			require.NotContains(t, operations, unnamed(route), "%s: it is served now", name)
		}
	}
}

// What isn't served is refused like any unknown route.
func TestWhatIsNotServed(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for _, row := range sandbox.Index() {
		for _, route := range row.Missing {
			method, path, _ := strings.Cut(route, " ")
			out := r.do(404, method, strings.ReplaceAll(path, "{id}", "5"), obj{})
			require.Equal(t, "not_found", out["error"], route)
		}
	}
}
