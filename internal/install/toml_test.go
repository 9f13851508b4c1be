package install_test

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/require"

	"vast-mcp/internal/install"
)

// tomlDocuments are what people have in Codex's file.
func tomlDocuments() map[string]string {
	return map[string]string{
		"empty":           "",
		"blank":           "\n\n",
		"comment only":    "# nothing yet\n",
		"keys":            "model = \"gpt\" # the good one\nn = 0x10\nf = 1.5\nd = 2026-01-02T03:04:05Z\nl = 1979-05-27\n",
		"no line end":     "model = \"gpt\"",
		"blank at end":    "model = \"gpt\"\n\n",
		"windows":         "model = \"gpt\"\r\n\r\n[mcp_servers.a]\r\ncommand = \"x\"\r\n",
		"mark":            "\ufeffmodel = \"gpt\"\n",
		"other server":    "[mcp_servers.other]\ncommand = \"npx\"\nargs = [\n  \"-y\", # yes\n  \"other\",\n]\nenv = { A = \"1\" }\n",
		"inner tables":    "[mcp_servers.other]\ncommand = \"npx\"\n[mcp_servers.other.env]\nA = \"1\"\n[[list]]\na = 1\n[[list]]\na = 2\n",
		"parent":          "[mcp_servers]\n# inline\nother = { command = \"npx\", args = [\"#\", ']'] }\n\n[tail]\nx = 1\n",
		"empty parent":    "[mcp_servers]\n\n[tail]\nx = 1\n",
		"dotted":          "mcp_servers.other.command = \"npx\"\nmcp_servers.other.env.A = \"1\"\n",
		"quoted":          "[ mcp_servers . \"other.one\" ]\n\"com\\u006dand\" = 'npx'\n",
		"same prefix":     "[mcp_servers.vast-ai]\ncommand = \"x\"\n[mcp_servers.vast2]\ncommand = \"y\"\n",
		"long strings":    "a = \"\"\"\n[mcp_servers.vast]\n# no comment \\\"\"\" \"\"\"\"\"\nb = '''\n[x]\n''''\n[c]\n  d = \"\" # behind\n",
		"commented twin":  "# [mcp_servers.vast]\n# command = \"x\"\n[a]\nb = 1\n",
		"inner elsewhere": "[mcp_servers.other.env]\nA = \"1\"\n[z]\n[mcp_servers.other]\ncommand = \"x\"\n",
	}
}

func TestAddThenRemoveRestoresTOML(t *testing.T) {
	for name, doc := range tomlDocuments() {
		t.Run(name, func(t *testing.T) {
			c := client(t, "codex")
			after := add(t, c, doc, server())
			require.True(t, strings.HasPrefix(after, strings.TrimRight(doc, "\n")), "the text before stays: %s", after)
			require.Equal(t, after, add(t, c, after, server()), "a second time changes nothing")
			if strings.Contains(doc, "\r\n") {
				require.Equal(t, strings.Count(after, "\n"), strings.Count(after, "\r\n"))
			}
			before, err := c.Remove([]byte(after), []byte(doc), server())
			require.NoError(t, err)
			require.Equal(t, doc, string(before))

			alone, err := c.Remove([]byte(after), []byte("= broken"), server())
			require.NoError(t, err)
			require.Equal(t, strings.TrimSpace(doc), strings.TrimSpace(string(alone)), "without the original")
		})
	}
}

const middle = `model = "gpt"

[mcp_servers.a]
command = "x"

%s# about z
[z]
y = 1
`

func TestTOMLTableInTheMiddle(t *testing.T) {
	c := client(t, "codex")
	for name, table := range map[string]string{
		"table":    "[mcp_servers.vast]\ncommand = \"/old/vast-mcp\"\nargs = [\n  \"--read-only\",\n]\nstartup_timeout_sec = 20\n\n",
		"inner":    "[mcp_servers.\"vast\"]\ncommand = '/old/vast-mcp'\nargs = []\nstartup_timeout_sec = 20\n  [mcp_servers.vast.env]\n  B = \"2\"\n\n",
		"inverted": "[mcp_servers.vast.env]\nB = \"2\"\n[mcp_servers.vast]\ncommand = \"vast-mcp.exe\"\nstartup_timeout_sec = 20\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			doc := strings.Replace(middle, "%s", table, 1)
			after := add(t, c, doc, server())
			require.Equal(t, strings.Index(doc, "[mcp_servers."), strings.Index(after, "[mcp_servers."))
			require.Less(t, strings.Index(after, "[mcp_servers.vast]"), strings.Index(after, "# about z"), "it stays where it is")
			var got struct {
				Servers map[string]struct {
					Command string
					Args    []string
					Timeout int `toml:"startup_timeout_sec"`
					Env     map[string]string
				} `toml:"mcp_servers"`
			}
			_, err := toml.Decode(after, &got)
			require.NoError(t, err)
			require.Equal(t, server().Command, got.Servers["vast"].Command)
			require.Equal(t, server().Args, got.Servers["vast"].Args)
			require.Equal(t, 20, got.Servers["vast"].Timeout, "what the owner set stays")
			require.Equal(t, strings.Contains(table, "B ="), got.Servers["vast"].Env["B"] == "2")

			out, err := c.Remove([]byte(after), nil, server())
			require.NoError(t, err)
			require.Equal(t, strings.Replace(middle, "%s", "", 1), string(out))
		})
	}
}

func TestTOMLWithoutAHeader(t *testing.T) {
	c := client(t, "codex")
	for _, entry := range []string{"vast = { command = \"vast-mcp\" }\n", "vast.command = \"vast-mcp\"\nvast.args = []\n"} {
		doc := "[mcp_servers]\n" + entry + "a.command = \"x\"\n"
		after := add(t, c, doc, server())
		require.True(t, strings.HasPrefix(after, "[mcp_servers]\na.command = \"x\"\n\n[mcp_servers.vast]\n"), after)
		out, err := c.Remove([]byte(doc), nil, server())
		require.NoError(t, err)
		require.Equal(t, "[mcp_servers]\na.command = \"x\"\n", string(out))
	}
}

func TestTOMLThatIsRefused(t *testing.T) {
	c := client(t, "codex")
	for name, tc := range map[string]struct{ doc, problem string }{
		"broken":        {"a = 1\nkey = sk-secret\n", "it is not TOML at line 2"},
		"not a table":   {"mcp_servers = 3\n", `"mcp_servers" is not what Codex expects there`},
		"inline parent": {"mcp_servers = { a = { command = \"x\" } }\n", "one inline table"},
		"inline ours":   {"mcp_servers = { vast = { command = \"vast-mcp\" } }\n", "one inline table"},
		"comment":       {"[mcp_servers.vast]\ncommand = \"vast-mcp\" # mine\n", "comments inside the entry"},
		"comment line":  {"[mcp_servers.vast]\n# mine\ncommand = \"vast-mcp\"\n", "comments inside the entry"},
		"comment, list": {"[mcp_servers.vast]\ncommand = \"vast-mcp\"\nargs = [\n# mine\n]\n", "comments inside the entry"},
		"not a number":  {"x = nan\n[mcp_servers.vast]\ncommand = \"vast-mcp\"\n", "whether everything else would stay"},
		"foreign":       {"[mcp_servers.vast]\ncommand = \"npx\"\n", "is not a vast-mcp"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Add([]byte(tc.doc), server())
			require.ErrorContains(t, err, tc.problem)
			require.NotContains(t, err.Error(), "sk-secret")
			if name == "inline parent" {
				return // there is nothing to take out
			}
			_, err = c.Remove([]byte(tc.doc), nil, server())
			require.Error(t, err)
		})
	}
}

func TestTOMLKeepsValuesOfAllKinds(t *testing.T) {
	doc := "[mcp_servers.vast]\ncommand = \"/old/vast-mcp\"\n" +
		"a = [1, 2.5, true]\nb = { \"x y\" = 'z', w = {} }\nc = 2026-01-02T03:04:05+02:00\nd = 07:32:00\ne = \"tab\\t\\u00e9\\\"\"\n[[mcp_servers.vast.f]]\ng = 1\n[[mcp_servers.vast.f]]\ng = 2\n"
	after := add(t, client(t, "codex"), doc, install.Server{Name: "vast", Command: "/new/vast-mcp", Key: "k"})
	var before, now map[string]map[string]map[string]any
	_, err := toml.Decode(doc, &before)
	require.NoError(t, err)
	_, err = toml.Decode(after, &now)
	require.NoError(t, err)
	want := before["mcp_servers"]["vast"]
	want["command"], want["args"], want["env"] = "/new/vast-mcp", []any{}, map[string]any{"VAST_API_KEY": "k"}
	now["mcp_servers"]["vast"]["f"] = tables(now["mcp_servers"]["vast"]["f"])
	require.Equal(t, want, now["mcp_servers"]["vast"])
}

// tables makes an inline list of tables the value that one of headers has.
func tables(list any) []map[string]any {
	var all []map[string]any
	for _, item := range list.([]any) {
		all = append(all, item.(map[string]any))
	}
	return all
}
