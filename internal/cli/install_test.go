package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/cli"
)

// newInstallShell is a shell whose clients keep their files in its home.
func newInstallShell(t *testing.T) shell {
	t.Helper()
	for _, name := range []string{"CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME", "GEMINI_CLI_HOME"} {
		t.Setenv(name, "")
	}
	return newShell(t)
}

func (s shell) home() string { return filepath.Dir(s.state) }

func (s shell) cursor() string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.home(), ".cursor", "mcp.json"))
	require.NoError(s.t, err)
	return string(data)
}

func TestInstallAndRemove(t *testing.T) {
	s := newInstallShell(t)
	file := filepath.Join(s.home(), ".cursor", "mcp.json")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(`{"mcpServers":{}}`), 0o600))

	r := s.run("install", "cursor", "--sandbox")
	require.Equal(t, 0, r.code, r.stderr)
	for _, part := range []string{"Cursor: " + file, `"vast" added`, "--sandbox", file + ".vast-mcp.bak", "vast-mcp install cursor --remove", "restart Cursor"} {
		require.Contains(t, r.stdout, part)
	}
	require.NotContains(t, r.stdout, "API key", "the sandbox needs none")
	program, err := os.Executable()
	require.NoError(t, err)
	require.JSONEq(t, `{"mcpServers":{"vast":{"command":"`+program+`","args":["--sandbox","--state-dir=`+s.state+`"]}}}`, s.cursor())

	r = s.run("install", "cursor", "--sandbox")
	require.Contains(t, r.stdout, "nothing changed")
	require.NotContains(t, r.stdout, "restart")
	r = s.run("install", "cursor")
	require.Contains(t, r.stdout, "updated")
	require.Contains(t, r.stdout, "ran     "+program+" --sandbox", "what it loses")
	require.Contains(t, s.run("install").stdout, "cursor          installed  "+file)

	r = s.run("install", "cursor", "--remove")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "the file is what it was before")
	require.Equal(t, `{"mcpServers":{}}`, s.cursor())
	require.Contains(t, s.run("install", "cursor", "--remove").stdout, "nothing changed")
	require.Contains(t, s.run("install").stdout, "cursor          file     "+file)
}

func TestInstalledServerGetsTheFlags(t *testing.T) {
	s := newInstallShell(t)
	t.Setenv("VAST_MCP_MAX_TOTAL_DOLLARS_PER_HOUR", "1.5")
	flags := []string{
		"--toolsets", "core,ssh", "--read-only", "--approve", "operator", "--max-dollars-per-hour", "0.25", "--max-instances", "2",
		"--default-lease", "90m", "--log-level", "info", "--api-key-file", "/keys/a, b", "--sandbox=false",
	}
	r := s.run(append(flags, "install", "codex", "--name", "gpu")...)
	require.Equal(t, 0, r.code, r.stderr)
	data, err := os.ReadFile(filepath.Join(s.home(), ".codex", "config.toml"))
	require.NoError(t, err)
	require.Contains(t, string(data), "[mcp_servers.gpu]\n")
	first := argsLine(t, string(data))
	for _, arg := range []string{
		"--sandbox=false", "--state-dir=" + s.state, "--log-level=INFO", "--api-key-file=/keys/a, b", "--toolsets=core,ssh", "--read-only",
		"--approve=operator", "--max-dollars-per-hour=0.25", "--max-total-dollars-per-hour=1.50", "--max-instances=2", "--default-lease=1h30m0s",
	} {
		require.Contains(t, first, `"`+arg+`"`)
	}
	require.Equal(t, 11, strings.Count(first, `"--`), "and no default")

	// What is written means the same when it is read.
	var again []string
	for arg := range strings.SplitSeq(strings.Trim(first, "[]"), `", "`) {
		again = append(again, strings.Trim(arg, `"`))
	}
	require.NoError(t, os.Unsetenv("VAST_MCP_MAX_TOTAL_DOLLARS_PER_HOUR"))
	var out, problems strings.Builder
	code := cli.Main(t.Context(), append(again, "install", "codex", "--name", "gpu"), strings.NewReader(""), &out, &problems, "1.2.3")
	require.Equal(t, 0, code, problems.String())
	require.Contains(t, out.String(), "nothing changed")
}

func argsLine(t *testing.T, doc string) string {
	t.Helper()
	_, rest, found := strings.Cut(doc, "args = ")
	require.True(t, found)
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

func TestInstallWritesTheKeyOnlyWhenTold(t *testing.T) {
	s := newInstallShell(t)
	require.Contains(t, s.run("install", "cursor").stdout, "There is no API key yet")
	t.Setenv("VAST_API_KEY", "the-key")
	r := s.run("install", "cursor")
	require.Contains(t, r.stdout, "not every client hands on")
	require.NotContains(t, s.cursor(), "the-key")

	r = s.run("install", "cursor", "--with-key", "--print")
	require.Contains(t, r.stdout, "YOUR_API_KEY")
	require.NotContains(t, r.stdout+r.stderr, "the-key")
	require.NotContains(t, s.cursor(), "the-key")

	r = s.run("install", "cursor", "--with-key")
	require.Equal(t, 0, r.code, r.stderr)
	require.NotContains(t, r.stdout+r.stderr, "the-key")
	require.Contains(t, s.cursor(), `"VAST_API_KEY": "the-key"`)
	require.NotContains(t, s.run("install", "cursor").stdout, "hands on", "the entry has it")

	for _, flags := range [][]string{{"--sandbox"}, {"--api-key-file", "/keys/a"}} {
		require.Equal(t, 2, s.run(append(flags, "install", "cursor", "--with-key")...).code, flags)
	}
	t.Setenv("VAST_API_KEY", "a b")
	require.Contains(t, s.run("install", "zed").stdout, "no API key can be read")
	t.Setenv("VAST_API_KEY", "")
	require.Contains(t, s.run("install", "zed", "--with-key").stderr, "there is no API key to write")
}

func TestInstallPrints(t *testing.T) {
	s := newInstallShell(t)
	r := s.run("install", "claude-code", "--print", "--sandbox")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "For Claude Code, in "+filepath.Join(s.home(), ".claude.json")+":\n\n{\n")
	require.Contains(t, r.stdout, "claude mcp add --scope user vast -- ")
	require.NoFileExists(t, filepath.Join(s.home(), ".claude.json"))
}

func TestInstallRefuses(t *testing.T) {
	s := newInstallShell(t)
	require.NoError(t, os.WriteFile(filepath.Join(s.home(), ".claude.json"), []byte(`{"mcpServers": {"vast": {"command": "npx"}}, "k": 1}`), 0o600))
	for _, tc := range []struct {
		args    string
		code    int
		problem string
	}{
		{"curser", 2, `did you mean "cursor"?`},
		{"--remove", 2, "name the client"},
		{"cursor --print --remove", 2, "can't be used together"},
		{"cursor --name a.b", 2, "--name may have letters"},
		{"claude-code", 1, "nothing was changed. To add it by hand: vast-mcp install claude-code --print"},
		{"claude-code --remove", 1, "is not a vast-mcp"},
	} {
		r := s.run(append([]string{"install"}, strings.Fields(tc.args)...)...)
		require.Equal(t, tc.code, r.code, tc.args)
		require.Contains(t, r.stderr, tc.problem)
		require.Empty(t, r.stdout)
	}
	require.Contains(t, s.run("install").stdout, "claude-code     unusable")
	r := s.run("install", "claude-code", "--name", "vast-gpu")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "vast-mcp install claude-code --remove --name vast-gpu")
}
