package install_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/golden"
	"vast-mcp/internal/install"
)

// place is a made-up user's home on that system.
func place(system string, env map[string]string, existing ...string) install.Place {
	home := map[string]string{"linux": "/home/me", "darwin": "/Users/me", "windows": `C:\Users\me`}[system]
	return install.Place{
		OS: system, Home: home,
		Env:    func(name string) string { return env[name] },
		Exists: func(path string) bool { return slices.Contains(existing, path) },
	}
}

func TestEachClientsFileAndEntry(t *testing.T) {
	ids := map[string]bool{}
	for _, c := range install.Clients() {
		require.False(t, ids[c.ID], "%s is there twice", c.ID)
		ids[c.ID] = true
		t.Run(c.ID, func(t *testing.T) {
			var b strings.Builder
			fmt.Fprintf(&b, "%s\n", c.Name)
			for _, system := range []string{"linux", "darwin", "windows"} {
				fmt.Fprintf(&b, "%-8s%s\n", system, c.Path(place(system, nil)))
			}
			s := server()
			entry, err := c.Preview(s)
			require.NoError(t, err)
			s.Key = "the-key"
			withKey, err := c.Preview(s)
			require.NoError(t, err)
			fmt.Fprintf(&b, "%s\n\n%s\nwith the key\n\n%s", strings.Join(c.Command(s), " "), entry, withKey)
			require.NotContains(t, entry, "the-key")
			golden.Text(t, filepath.Join("testdata", c.ID+".txt"), b.String())
		})
	}
}

func TestFilesElsewhere(t *testing.T) {
	const packaged = `C:\Users\me\AppData\Local\Packages\Claude_pzs8sxrjxfjjc\LocalCache\Roaming\Claude`
	xdg := map[string]string{"XDG_CONFIG_HOME": "/x", "CODEX_HOME": "/c", "CLAUDE_CONFIG_DIR": "/cc", "COPILOT_HOME": "/co", "GEMINI_CLI_HOME": "/g"}
	roaming := map[string]string{"APPDATA": `D:\Roaming`, "XDG_CONFIG_HOME": `D:\x`, "LOCALAPPDATA": "relative"}
	for _, tc := range []struct {
		id   string
		at   install.Place
		want string
	}{
		{"vscode", place("linux", xdg), "/x/Code/User/mcp.json"},
		{"vscode", place("darwin", xdg), "/Users/me/Library/Application Support/Code/User/mcp.json"},
		{"vscode", place("linux", map[string]string{"XDG_CONFIG_HOME": "x"}), "/home/me/.config/Code/User/mcp.json"},
		{"zed", place("linux", xdg), "/x/zed/settings.json"},
		{"zed", place("darwin", xdg), "/Users/me/.config/zed/settings.json"},
		{"zed", place("windows", roaming), `D:\Roaming\Zed\settings.json`},
		{"codex", place("darwin", xdg), "/c/config.toml"},
		{"claude-code", place("linux", xdg), "/cc/.claude.json"},
		{"copilot", place("linux", xdg), "/co/mcp-config.json"},
		{"gemini", place("linux", xdg), "/g/.gemini/settings.json"},
		{"opencode", place("darwin", xdg), "/x/opencode/opencode.json"},
		{"opencode", place("windows", roaming), `D:\x\opencode\opencode.json`},
		{"opencode", place("linux", nil, "/home/me/.config/opencode/opencode.jsonc"), "/home/me/.config/opencode/opencode.jsonc"},
		{"opencode", place("linux", nil, "/home/me/.config/opencode/opencode.jsonc", "/home/me/.config/opencode/opencode.json"), "/home/me/.config/opencode/opencode.json"},
		{"cline", place("linux", nil, "/home/me/.cline/data/settings/cline_mcp_settings.json"), "/home/me/.cline/data/settings/cline_mcp_settings.json"},
		{"claude-desktop", place("windows", roaming, packaged), packaged + `\claude_desktop_config.json`},
		{"claude-desktop", place("windows", roaming), `D:\Roaming\Claude\claude_desktop_config.json`},
	} {
		require.Equal(t, tc.want, client(t, tc.id).Path(tc.at), "%s on %s", tc.id, tc.at.OS)
	}
}

func TestWhatGoRunBuilds(t *testing.T) {
	for path, want := range map[string]bool{
		"/tmp/go-build4108768880/b001/exe/vast-mcp":                                         true,
		"/home/me/.cache/go-build/b0/b052b72547e6eb315d70f53799bc13c494d4de26cb-d/vast-mcp": true,
		`C:\Users\me\AppData\Local\Temp\go-build41\b001\exe\vast-mcp.exe`:                   true,
		"/home/me/go/bin/vast-mcp":                                                          false,
		"/home/me/go-build/vast-mcp":                                                        false,
		"/tmp/go-build41/b001/cli.test":                                                     false,
		"/home/me/src/exe/b001/vast-mcp":                                                    false,
	} {
		require.Equal(t, want, install.IsThrowaway(path), path)
	}
}
