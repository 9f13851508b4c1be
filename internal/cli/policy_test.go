package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/cli"
)

// policy runs vast-mcp policy in the sandbox.
func (s shell) policy(args ...string) ran {
	s.t.Helper()
	return s.run(append([]string{"--sandbox", "policy"}, args...)...)
}

func TestAStoredCeiling(t *testing.T) {
	s := newShell(t)
	offer := s.offer()
	t.Setenv("VAST_MCP_MAX_INSTANCES", "7") // which is not meant
	r := s.policy("set", "--max-dollars-per-hour", "0.01", "--daily-budget", "10", "--allow-region", "Europe,US", "--allow-image", "pytorch/*,ubuntu")
	require.Equal(t, 0, r.code, r.stderr)
	require.Equal(t, "Stored for this account; programs that run already obey it at once:\n"+
		"  --allow-image pytorch/*,ubuntu\n  --allow-region Europe,US\n  --daily-budget 10.00\n  --max-dollars-per-hour 0.01\n", r.stdout)
	require.Contains(t, s.policy("set", "--approve", "operator").stdout, "  --approve operator\n")

	r = s.policy()
	require.Equal(t, 0, r.code, r.stderr)
	for _, line := range []string{
		"max_dollars_per_hour  $0.01 for one instance  ceiling", "max_instances         7 running               flag",
		"daily_budget          $10.00 on each UTC day  ceiling", "approve               operator                ceiling",
		"daily_budget   $0.00  $10.00  $10.00  0 %", "max_instances  0      7       7       0 %", "credit: $100.00",
	} {
		require.Contains(t, r.stdout, line+"\n")
	}
	for line := range strings.Lines(r.stdout) {
		require.LessOrEqual(t, len(line), 81, line)
	}

	_, out := s.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, offer))
	require.Equal(t, "over_policy", out["error"].(map[string]any)["code"], "nothing was said on the command line")

	require.Equal(t, 0, s.policy("clear").code)
	r = s.policy()
	require.NotContains(t, r.stdout, "ceiling")
	_, out = s.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, offer))
	require.Equal(t, "approval_needed", out["status"])
}

func TestLooserThanTheCeilingDoesNotStart(t *testing.T) {
	s := newShell(t)
	require.Equal(t, 0, s.policy("set", "--daily-budget", "10", "--approve", "operator", "--max-lease", "24h").code)
	for _, c := range []struct{ flag, value, says string }{
		{"--daily-budget", "10.01", "--daily-budget is 10.01 and the ceiling is 10.00"},
		{"--approve", "client", "--approve is client and the ceiling is operator"},
		{"--max-lease", "168h", "--max-lease is 168h0m0s and the ceiling is 24h0m0s"},
	} {
		for _, command := range [][]string{{"stdio"}, {"http", "--listen", "127.0.0.1:0"}, {"call", "get_account"}} {
			r := s.run(append([]string{"--sandbox", c.flag, c.value}, command...)...)
			require.Equal(t, 2, r.code, "%s %s: %s", c.flag, command, r.stderr)
			require.Contains(t, r.stderr, c.says)
			require.Contains(t, r.stderr, "vast-mcp policy set")
			require.Empty(t, r.stdout)
		}
	}
	require.Equal(t, 0, s.run("--sandbox", "--daily-budget", "10", "--max-lease", "24h", "--approve", "operator", "call", "get_account").code)
	require.Equal(t, 0, s.run("--sandbox", "call", "get_account").code, "a default says nothing")
	require.Equal(t, 0, s.run("--sandbox", "--daily-budget", "99", "policy").code, "who shows it starts nothing")

	t.Setenv("VAST_MCP_DAILY_BUDGET", "11")
	require.Equal(t, 2, s.run("--sandbox", "stdio").code)
	require.Equal(t, 0, s.policy("set", "--daily-budget", "12").code, "its owner may raise it")
	require.Equal(t, 0, s.run("--sandbox", "stdio").code)
}

func TestACeilingThatCannotBeRead(t *testing.T) {
	s := newShell(t)
	require.Equal(t, 0, s.policy("set", "--daily-budget", "10").code)
	file := filepath.Join(s.state, "sandbox", "journal.db")
	for _, suffix := range []string{"-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(file+suffix))
	}
	require.NoError(t, os.WriteFile(file, []byte("this is no database, and long enough to be taken for one by nobody"), 0o600))
	r := s.run("--sandbox", "--daily-budget", "5", "call", "get_account")
	require.Equal(t, 0, r.code, "what ends costs must work with a damaged journal")
	require.Contains(t, r.stderr, "nothing can be rented")
}

func TestPolicyNeedsSomethingToStore(t *testing.T) {
	s := newShell(t)
	r := s.policy("set")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "--daily-budget 10")
	require.Equal(t, 2, s.policy("set", "--daily-budget", "much").code)
	r = s.run("policy", "set", "--daily-budget", "10")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "key", "whose account it is for is not known without one")
	r = s.run("policy", "--daily-budget", "10")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "$10.00 on each UTC day")
}

func TestListsThatAreLimits(t *testing.T) {
	for _, c := range []struct{ flag, says string }{
		{"--allow-image=", "empty entry"},
		{"--allow-image=a,", "empty entry"},
		{"--allow-image=a b", "without blanks"},
		{"--allow-region=,SE", "empty entry"},
		{"--allow-region=Swden", `no region "Swden": did you mean Sweden`},
		{"--allow-region=???", "write country codes like SE"},
	} {
		r := newShell(t).run("tools", c.flag)
		require.Equal(t, 2, r.code, c.flag)
		require.Contains(t, r.stderr, c.says)
	}
	require.Equal(t, 0, newShell(t).run("tools", "--allow-image", "a/b", "--allow-image", "c/*, d", "--allow-region", "se,South Korea,Europe").code)
}

// FuzzLimitFlags: what stands behind a limit is a limit, or the program does not
// start.
func FuzzLimitFlags(f *testing.F) {
	for _, seed := range []struct{ flag, value string }{
		{"daily-budget", "10"},
		{"keep-credit", "0x1p9"},
		{"max-rental-dollars", "-0"},
		{"allow-image", "a/*,b"},
		{"allow-region", "SE,Europe"},
		{"max-lease", "24h"},
		{"max-instances", "+3"},
	} {
		f.Add(seed.flag, seed.value)
	}
	flags := []string{"max-dollars-per-hour", "max-total-dollars-per-hour", "max-instances", "max-rental-dollars", "daily-budget", "keep-credit", "max-lease", "allow-image", "allow-region"}
	state := f.TempDir()
	f.Fuzz(func(t *testing.T, flag, value string) {
		for _, known := range flags {
			if flag != known {
				continue
			}
			var out, problems strings.Builder
			code := cli.Main(t.Context(), []string{"--" + flag + "=" + value, "--sandbox", "--state-dir", state, "install", "codex", "--print"}, strings.NewReader(""), &out, &problems, "1")
			require.Equal(t, code == 0, strings.Contains(out.String(), "--"+flag+"="), "%q: %d %s", value, code, problems.String())
		}
	})
}
