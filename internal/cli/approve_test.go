package cli_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGuessingCodes: after twenty wrong ones even the right one is not looked at.
func TestGuessingCodes(t *testing.T) {
	s := newShell(t)
	_, out := s.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, s.offer()))
	quote := out["quote"].(map[string]any)
	seen := map[string]bool{}
	for i := range 20 {
		r := s.run("approve", fmt.Sprintf("AAAA-%04d", i))
		require.Equal(t, 1, r.code)
		seen[r.stderr] = true
	}
	require.Len(t, seen, 1, "all wrong codes are told the same")
	right, wrong := s.run("approve", quote["code"].(string)), s.run("approve", "AAAA-AAAA")
	require.Equal(t, 1, right.code)
	require.Equal(t, wrong, right)
	require.Contains(t, right.stderr, "locked until")
	require.Equal(t, 0, s.run("approve", quote["quote_id"].(string)).code, "the id is no guess")
}

func TestAutoNeedsLimits(t *testing.T) {
	s := newShell(t)
	for _, limits := range [][]string{nil, {"--daily-budget", "5"}, {"--max-dollars-per-hour", "1"}, {"--max-total-dollars-per-hour", "1", "--max-instances", "1"}} {
		r := s.run(append([]string{"--approve", "auto", "tools"}, limits...)...)
		require.Equal(t, 2, r.code)
		require.Contains(t, r.stderr, "--daily-budget")
	}
	for _, limits := range [][]string{{"--daily-budget", "5", "--max-dollars-per-hour", "1"}, {"--daily-budget", "5", "--max-total-dollars-per-hour", "1"}} {
		require.Equal(t, 0, s.run(append([]string{"--approve", "auto", "tools"}, limits...)...).code)
	}
}
