package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/cli"
)

// programEnv makes the test binary be the program, for what starts its own
// executable. It names a folder where each such process leaves its number.
const programEnv = "CLI_TEST_PROGRAM"

func TestMain(m *testing.M) {
	dir := os.Getenv(programEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(os.Getpid())), nil, 0o600); err != nil {
		panic(err)
	}
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, "1.2.3"))
}

// TestChaos plays all of it, with real processes, and looks that nothing of it
// stays behind. The play itself holds everything against the market's ledger.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits until an order cannot be on its way any more")
	}
	s, leavesNothing := newTheatre(t)
	t.Setenv("VAST_URL", "https://example.invalid") // neither is looked at
	t.Setenv("VAST_MCP_READ_ONLY", "true")
	r := s.run("demo", "--chaos")
	require.Equal(t, 0, r.code, "%s\n%s", r.stderr, r.stdout)
	for _, scene := range []string{
		"1. The answer", "by an earlier, identical call", "one order came in",
		"2. A server is killed", "was killed.", "\nshell   vast-mcp settle", "Nothing is open", "undelivered_rental",
		"3. An agent goes away", "Nothing is past its lease.", "it was stopped",
		"4. A clock jumps", "is not touched", "it was destroyed",
		"5. What is left", "Seen gone", "No instance has a lease.", "Nothing is left:", "of the $100.00 credit is left",
	} {
		_, rest, found := strings.Cut(r.stdout, scene)
		require.True(t, found, "%q in %s", scene, r.stdout)
		r.stdout = rest
	}
	require.True(t, strings.HasSuffix(r.stdout, "Nothing is left running.\n"), r.stdout)
	leavesNothing(4) // two servers, and settle at least twice
}

// TestChaosInterrupted while a server of its own has an order out.
func TestChaosInterrupted(t *testing.T) {
	s, leavesNothing := newTheatre(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &interrupter{at: "asked ", countdown: 2, interrupt: interrupt}
	var problems bytes.Buffer
	code := cli.Main(ctx, []string{"demo", "--chaos", "--state-dir", s.state}, strings.NewReader(""), out, &problems, "1.2.3")
	require.Equal(t, 1, code, problems.String())
	leavesNothing(1)
}

// newTheatre is where the play can start its processes. leavesNothing looks that
// none of these, of which there were some, nor any file of theirs is left.
func newTheatre(t *testing.T) (s shell, leavesNothing func(atLeast int)) {
	t.Helper()
	s = newShell(t)
	children, temp := t.TempDir(), t.TempDir()
	t.Setenv(programEnv, children)
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, temp)
	}
	return s, func(atLeast int) {
		t.Helper()
		left, err := os.ReadDir(temp)
		require.NoError(t, err)
		require.Empty(t, left)
		started, err := os.ReadDir(children)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(started), atLeast)
		host, _, _ := strings.Cut(cli.Worker(), "/")
		for _, process := range started {
			require.True(t, cli.WorkerEnded(host+"/"+process.Name()), "process %s runs", process.Name())
		}
	}
}

// interrupter interrupts when something is written for a certain time.
type interrupter struct {
	at        string
	countdown int
	interrupt func()
}

func (i *interrupter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(i.at)) {
		if i.countdown--; i.countdown == 0 {
			i.interrupt()
		}
	}
	return len(p), nil
}
