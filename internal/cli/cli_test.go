package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/cli"
	"vast-mcp/internal/journaltest"
)

// shell runs commands with one state folder, each as its own process would.
type shell struct {
	t     *testing.T
	state string
}

func newShell(t *testing.T) shell {
	t.Helper()
	home := t.TempDir()
	for name, value := range map[string]string{"HOME": home, "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": "", "VAST_API_KEY": "", "VAST_URL": ""} {
		t.Setenv(name, value)
	}
	t.Setenv(journaltest.ServerEnv, "") // so that it is put back
	require.NoError(t, os.Unsetenv(journaltest.ServerEnv))
	return shell{t, filepath.Join(home, "state")}
}

type ran struct {
	code           int
	stdout, stderr string
}

func (s shell) run(args ...string) ran { return s.feed("", args...) }

func (s shell) feed(stdin string, args ...string) ran {
	s.t.Helper()
	var out, problems bytes.Buffer
	code := cli.Main(s.t.Context(), append(args, "--state-dir", s.state), strings.NewReader(stdin), &out, &problems, "1.2.3")
	return ran{code, out.String(), problems.String()}
}

// call runs vast-mcp call against the sandbox and decodes the one line it prints.
func (s shell) call(tool, args string) (ran, map[string]any) {
	s.t.Helper()
	r := s.run("--sandbox", "--sandbox-speed", "5000", "call", tool, args)
	var out map[string]any
	if r.stdout != "" {
		require.Equal(s.t, 1, strings.Count(r.stdout, "\n"), "one line")
		require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &out), r.stdout)
	}
	return r, out
}

func (s shell) offer() int64 {
	s.t.Helper()
	_, out := s.call("search_offers", `{"gpu_names":["RTX 4090"],"num_gpus":1,"limit":1}`)
	return int64(out["offers"].([]any)[0].(map[string]any)["offer_id"].(float64))
}

func TestExitCodesOfCall(t *testing.T) {
	s := newShell(t)
	args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, s.offer())

	r, out := s.call("create_instance", args)
	require.Equal(t, 3, r.code, "approval needed")
	quote := out["quote"].(map[string]any)
	code := quote["code"].(string)
	require.Contains(t, out["message"], "vast-mcp approve "+code+" --state-dir "+s.state, "the command reaches this journal")

	r = s.run("approvals")
	require.Contains(t, r.stdout, code)
	r = s.run("approve", strings.ToLower(strings.ReplaceAll(code, "-", " ")))
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "Rent 1x RTX 4090")
	require.Contains(t, r.stdout, "sandbox: no real money")
	require.Contains(t, r.stdout, quoteMost(quote))

	r, out = s.call("create_instance", args)
	require.Equal(t, 0, r.code, "done")
	id := out["instance_id"]
	r, out = s.call("list_instances", `{}`)
	require.Equal(t, 0, r.code)
	require.Equal(t, id, out["instances"].([]any)[0].(map[string]any)["instance_id"], "another process on the same market")

	r, out = s.call("get_instance", `{"instance_id":1}`)
	require.Equal(t, 1, r.code, "error")
	require.Equal(t, "not_found", out["error"].(map[string]any)["code"])
	r, _ = s.call("no_such_tool", `{}`)
	require.Equal(t, 2, r.code, "usage")
	require.Contains(t, r.stderr, "no tool")
	r, _ = s.call("search_offers", `{broken`)
	require.Equal(t, 2, r.code, "usage")
	require.Empty(t, r.stdout)
}

func quoteMost(quote map[string]any) string {
	return fmt.Sprintf("at most $%.4f", quote["most_dollars"])[:12]
}

func TestArgumentsFromStdin(t *testing.T) {
	s := newShell(t)
	r := s.feed(`{"limit":1}`, "--sandbox", "call", "search_offers", "-")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, `"offers":[{`)
}

func TestDeny(t *testing.T) {
	s := newShell(t)
	args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, s.offer())
	_, out := s.call("create_instance", args)
	code := out["quote"].(map[string]any)["code"].(string)
	require.Equal(t, 0, s.run("deny", code).code)
	r := s.run("approve", code)
	require.Equal(t, 1, r.code, "a quote that was denied cannot be approved")
	require.Contains(t, r.stderr, "no quote with that code or id waits here")
	require.Contains(t, s.run("approvals").stdout, "Nothing waits")
}

func TestApprovalsNeedNoKeyAndCreateNothing(t *testing.T) {
	s := newShell(t)
	require.Equal(t, 0, s.run("approvals").code)
	require.Equal(t, 1, s.run("approve", "AAAA-AAAA").code)
	_, err := os.Stat(s.state)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"nonsense"}, "nonsense"},
		{[]string{"--no-such-flag"}, "no-such-flag"},
		{[]string{"--max-dollars-per-hour", "1e3", "tools"}, "write dollars as digits"},
		{[]string{"--max-dollars-per-hour", "-1", "tools"}, ""},
		{[]string{"--max-dollars-per-hour", "", "tools"}, "write dollars as digits"},
		{[]string{"--max-total-dollars-per-hour", "NaN", "tools"}, "write dollars as digits"},
		{[]string{"--max-instances", "-1", "tools"}, ""},
		{[]string{"--approve", "anyone", "tools"}, "client"},
		{[]string{"--default-lease", "0s", "tools"}, "longer than 0"},
		{[]string{"--default-lease", "200h", "tools"}, "longer than --max-lease"},
		{[]string{"--idle-after=-1m", "tools"}, "--idle-after must not be negative"},
		{[]string{"--tools", "search_offer", "tools"}, `did you mean "search_offers"?`},
		{[]string{"--toolsets", "nothing", "tools"}, "no toolset"},
		{[]string{"--api-key-file", "/no/such/file", "call", "get_account"}, "no such file"},
		{[]string{"sandbox", "--fault", "create:sometimes:drop:1"}, "--fault"},
		{[]string{"sandbox", "--faults", "/no/such/file"}, "no such file"},
		{[]string{"sandbox", "--faults", os.DevNull}, "--faults"},
		{[]string{"sandbox", "--failures", "some"}, "off"},
	} {
		r := newShell(t).run(c.args...)
		require.Equal(t, 2, r.code, "%v: %s", c.args, r.stderr)
		require.Contains(t, r.stderr, c.says, c.args)
		require.Empty(t, r.stdout)
	}
}

func TestEnvironment(t *testing.T) {
	s := newShell(t)
	t.Setenv("VAST_MCP_MAX_DOLARS_PER_HOUR", "1")
	r := s.run("tools")
	require.Equal(t, 2, r.code, "a misspelled limit must not be no limit")
	require.Contains(t, r.stderr, "VAST_MCP_MAX_DOLLARS_PER_HOUR")
	require.NoError(t, os.Unsetenv("VAST_MCP_MAX_DOLARS_PER_HOUR"))

	t.Setenv("VAST_MCP_MAX_DOLLARS_PER_HOUR", "")
	require.Equal(t, 2, s.run("tools").code, "an empty limit must not be no limit")
	require.NoError(t, os.Unsetenv("VAST_MCP_MAX_DOLLARS_PER_HOUR"))
	t.Setenv("VAST_MCP_SANDBOX", "1")
	t.Setenv("VAST_MCP_RENTAL", "1hy3k8r0abcdefgh")
	offer := s.offer()
	t.Setenv("VAST_MCP_MAX_DOLLARS_PER_HOUR", "0.01")
	r, out := s.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"x/y"}`, offer))
	require.Equal(t, 1, r.code)
	require.Equal(t, "over_policy", out["error"].(map[string]any)["code"])
	require.Contains(t, out["error"].(map[string]any)["hint"], "$0.01/h or less")
}

func TestTheSandboxWinsAndSaysSo(t *testing.T) {
	s := newShell(t)
	t.Setenv("VAST_URL", "https://example.invalid")
	t.Setenv("VAST_API_KEY", "a-real-looking-key")
	r, _ := s.call("get_account", `{}`)
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stderr, "VAST_URL is not used")
	require.Contains(t, r.stderr, "VAST_API_KEY is not used")
	require.NotContains(t, r.stderr, "a-real-looking-key")
}

func TestWithoutAKey(t *testing.T) {
	s := newShell(t)
	r := s.run("call", "get_account")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, `"code":"no_key"`)
	require.Equal(t, 0, s.run("tools").code)
	r = s.run("version")
	require.Equal(t, "vast-mcp 1.2.3\n", r.stdout)
}

func TestToolsJSONIsTheCatalogue(t *testing.T) {
	r := newShell(t).run("tools", "--json")
	require.Equal(t, 0, r.code)
	var list struct {
		Tools []map[string]any `json:"tools"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &list))
	require.Len(t, list.Tools, 21)
}

func TestFreshEmptiesMarketAndJournal(t *testing.T) {
	s := newShell(t)
	_, _ = s.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"x/y"}`, s.offer()))
	require.NotContains(t, s.run("approvals").stdout, "Nothing waits")
	require.Equal(t, 0, s.run("--sandbox", "--sandbox-fresh", "call", "get_account").code)
	require.Contains(t, s.run("approvals").stdout, "Nothing waits")
}

func TestDemo(t *testing.T) {
	r := newShell(t).run("demo")
	require.Equal(t, 0, r.code, r.stderr)
	for _, scene := range []string{
		"search_offers", "Approve this?", "Rented.", "is ready", "Attached to instance", "Log of instance", "Seen stopped",
		"Seen gone", "to the micro-dollar", "Nothing is left running.",
	} {
		require.Contains(t, r.stdout, scene)
	}
}
