package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the server that is measured, as the program
// is when it runs.
func TestMain(m *testing.M) {
	if serving(os.Args) {
		exit(serve(context.Background(), os.Args[2:]))
	}
	os.Exit(m.Run())
}

func TestEveryChapterIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the program")
	}
	var out strings.Builder
	err := run(t.Context(), options{starts: 1, calls: 40, rounds: 2, wear: 40, sessions: 2, chapters: "start,calls,memory"}, &out)
	require.NoError(t, err)
	for _, want := range []string{
		"### Start to initialize", "| vast-mcp | ", "### Tool calls", "| stdio 2025-11-25, 32 | search among 64 |", "| http 2026-07-28, 1 | bare echo |", "**1.00**",
	} {
		require.Contains(t, out.String(), want)
	}
	if _, err := os.Stat("/proc/self/status"); err == nil {
		require.Contains(t, out.String(), "### Memory, over HTTP")
	} else {
		require.Contains(t, out.String(), "no /proc")
	}
}

func TestTablesAreMarkdown(t *testing.T) {
	var out strings.Builder
	b := &bench{out: &out}
	b.table("A title", []string{"a", "b"}, []string{"1", "2"})
	require.Equal(t, "\n### A title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", out.String())
}

func TestAnswersComeFromMemory(t *testing.T) {
	for offers, hasMore := range map[int]bool{1: false, 64: true} {
		app, err := assemble(offers)
		require.NoError(t, err)
		for range 2 {
			res, err := app.Call(t.Context(), "search_offers", []byte(`{"limit":1}`), nil)
			require.NoError(t, err)
			require.Nil(t, res.Failure)
			require.Equal(t, hasMore, strings.Contains(string(res.Structured), "left_out"))
		}
		require.NoError(t, app.Close())
	}
}

func TestServerThatIsNotOne(t *testing.T) {
	require.Error(t, serve(t.Context(), []string{"stdio", "many"}))
	p, err := launch(t.Context(), nil, os.Args[0], "-test.run", "^$")
	require.NoError(t, err)
	defer p.end()
	_, err = p.url()
	require.ErrorContains(t, err, "the server said")
}

func TestTimingCounts(t *testing.T) {
	var all timing
	calls := make(chan struct{}, 100)
	count := func(context.Context) error {
		calls <- struct{}{}
		return nil
	}
	require.NoError(t, all.load(t.Context(), []lane{count, count}, 10))
	require.Len(t, calls, 10)
	require.Len(t, all.took, 10)
	require.Positive(t, all.rate())

	broken := errors.New("broken")
	require.ErrorIs(t, all.load(t.Context(), []lane{func(context.Context) error { return broken }}, 10), broken)
}

func TestQuantile(t *testing.T) {
	var all timing
	for i := range 100 {
		all.took = append(all.took, time.Duration(100-i))
	}
	require.Equal(t, time.Duration(51), all.quantile(0.5))
	require.Equal(t, time.Duration(100), all.quantile(0.99))
	require.Equal(t, time.Duration(100), all.quantile(1))
}

func TestFailedCallsAreNotMeasured(t *testing.T) {
	require.NoError(t, check([]byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)))
	require.ErrorContains(t, check([]byte(`{"jsonrpc":"2.0","id":1,"result":{"isError":true}}`)), "a call failed")
	require.ErrorContains(t, check([]byte(`{"jsonrpc":"2.0","id":1,"error":{}}`)), "a call failed")
}

func TestResident(t *testing.T) {
	size, err := parseResident("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t4\n")
	require.NoError(t, err)
	require.InDelta(t, 2, size, 0)
	_, err = parseResident("Name:\tx\n")
	require.ErrorContains(t, err, "no VmRSS")
}

func TestServersStartWithoutOurSettings(t *testing.T) {
	require.Equal(t, []string{"HOME=/h"}, neutral([]string{"VAST_API_KEY=k", "HOME=/h", "VAST_MCP_STATE_DIR=/s"}))
}
