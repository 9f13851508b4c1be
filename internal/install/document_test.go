package install_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tailscale/hujson"

	"vast-mcp/internal/install"
)

func client(tb testing.TB, id string) install.Client {
	tb.Helper()
	for _, c := range install.Clients() {
		if c.ID == id {
			return c
		}
	}
	require.FailNow(tb, "no client "+id)
	return install.Client{}
}

func server() install.Server {
	return install.Server{Name: "vast", Command: "/usr/local/bin/vast-mcp", Args: []string{"--sandbox"}}
}

func add(tb testing.TB, c install.Client, doc string, s install.Server) string {
	tb.Helper()
	after, err := c.Add([]byte(doc), s)
	require.NoError(tb, err)
	return string(after)
}

// jsonDocuments are what people have in their files.
func jsonDocuments() map[string]string {
	const other = `"other": {"command": "npx", "args": ["-y", "other"]}`
	return map[string]string{
		"empty":              "",
		"blank":              " \n\n",
		"empty object":       "{}",
		"object, line end":   "{}\n",
		"object of two":      "{\n}\n",
		"other keys":         "{\n  \"theme\": \"dark\",\n  \"n\": 1e400\n}\n",
		"other server":       "{\n  \"mcpServers\": {\n    " + other + "\n  }\n}\n",
		"empty section":      "{\n  \"mcpServers\": {}\n}\n",
		"section of two":     "{\n  \"mcpServers\": {\n  }\n}\n",
		"flat":               `{"a":1,"mcpServers":{"x":{"command":"y"}},"b":[1, 2]}`,
		"flat, no section":   `{"a": 1}`,
		"flat, empty":        `{"mcpServers":{}}`,
		"flat inside":        "{\n  \"mcpServers\": {" + other + "}\n}\n",
		"tabs":               "{\n\t\"mcpServers\": {\n\t\t\"a\": {}\n\t}\n}\n",
		"four":               "{\n    \"a\": {\n        \"b\": 1\n    }\n}",
		"windows":            "{\r\n  \"mcpServers\": {\r\n    \"a\": {}\r\n  }\r\n}\r\n",
		"mark":               "\ufeff{\r\n  \"a\": 1\r\n}",
		"no line end":        "{\n  \"a\": 1\n}",
		"odd order":          "{\n  \"z\": 1,\n  \"mcpServers\": {\n    \"zz\": {},\n    \"aa\": {}\n  },\n  \"a\": 2\n}\n",
		"same prefix":        "{\n  \"mcpServers\": {\n    \"vast-ai\": {},\n    \"vast2\": {}\n  }\n}\n",
		"escapes":            "{\n  \"a\\u00e9\\/\": \"\\ud83d\\ude00 <&>\",\n  \"mcp\\u0053ervers\": {\n    \"a\": {}\n  }\n}\n",
		"trailing commas":    "{\n  \"a\": [1, 2,],\n  \"mcpServers\": {\n    " + other + ",\n  },\n}\n",
		"comments":           "// mine\n{ // begin\n  // above\n  \"a\": 1, // behind\n  \"mcpServers\": { // servers\n    " + other + " // last\n    // end\n  } /* x */\n  // over\n}\n// end",
		"comments, trailing": "{\n  \"mcpServers\": {\n    " + other + ", // last\n    // end\n  },\n  // over\n}\n",
		"comment in section": "{\n  \"mcpServers\": { // none yet\n    // put them here\n  }\n}\n",
		"comment, one line":  "{\"mcpServers\": {/* none */}, \"a\": 1 /* one */}\n",
		"line comment":       "{\"mcpServers\": { // none yet\n}}\n",
		"blank lines":        "{\n\n  \"a\": 1,\n\n  \"mcpServers\": {\n\n    \"b\": {}\n\n  }\n\n}\n\n",
		"no indentation":     "{\n\"a\": 1,\n\"mcpServers\": {\n\"b\": {}\n}\n}\n",
		"comma first":        "{\n    \"a\": 1\n  , \"mcpServers\": {\n      \"b\": {}\n    }\n}\n",
	}
}

func TestAddThenRemoveRestoresEveryByte(t *testing.T) {
	for name, doc := range jsonDocuments() {
		t.Run(name, func(t *testing.T) {
			c := client(t, "cursor")
			after := add(t, c, doc, server())
			require.NotEqual(t, doc, after)
			require.Equal(t, after, add(t, c, after, server()), "a second time changes nothing")
			before, err := c.Remove([]byte(after), []byte(doc), server())
			require.NoError(t, err)
			require.Equal(t, doc, string(before))
			requireComments(t, doc, after)

			alone, err := c.Remove([]byte(after), []byte("{\"else\": 1}"), server())
			require.NoError(t, err)
			require.Equal(t, tree(t, withoutEmpty(doc)), tree(t, withoutEmpty(string(alone))), "without the original")
			requireComments(t, doc, string(alone))
		})
	}
}

// requireComments says that the comments of before are in after, in their order.
func requireComments(t *testing.T, before, after string) {
	t.Helper()
	for _, word := range []string{"// mine", "// begin", "// above", "// behind", "// servers", "// last", "// end", "/* x */", "// over", "// none yet", "// put them here", "/* none */", "/* one */"} {
		require.Equal(t, strings.Count(before, word), strings.Count(after, word), word)
	}
}

func withoutEmpty(doc string) string {
	if strings.TrimSpace(doc) == "" {
		return "{}"
	}
	return strings.TrimPrefix(doc, "\ufeff")
}

// tree decodes a document, without a section that is empty.
func tree(t *testing.T, doc string) map[string]any {
	t.Helper()
	root, err := hujson.Parse([]byte(doc + "\n"))
	require.NoError(t, err, doc)
	root.Standardize()
	dec := json.NewDecoder(strings.NewReader(root.String()))
	dec.UseNumber()
	var all map[string]any
	require.NoError(t, dec.Decode(&all))
	if section, ok := all["mcpServers"].(map[string]any); ok && len(section) == 0 {
		delete(all, "mcpServers")
	}
	return all
}

func TestNewEntriesLookLikeTheirNeighbours(t *testing.T) {
	s := server()
	s.Args = nil
	for name, want := range map[string]string{
		"trailing commas":    "{\n  \"a\": [1, 2,],\n  \"mcpServers\": {\n    \"other\": {\"command\": \"npx\", \"args\": [\"-y\", \"other\"]},\n    \"vast\": {\n      \"command\": \"/usr/local/bin/vast-mcp\",\n      \"args\": []\n    },\n  },\n}\n",
		"windows":            "{\r\n  \"mcpServers\": {\r\n    \"a\": {},\r\n    \"vast\": {\r\n      \"command\": \"/usr/local/bin/vast-mcp\",\r\n      \"args\": []\r\n    }\r\n  }\r\n}\r\n",
		"tabs":               "{\n\t\"mcpServers\": {\n\t\t\"a\": {},\n\t\t\"vast\": {\n\t\t\t\"command\": \"/usr/local/bin/vast-mcp\",\n\t\t\t\"args\": []\n\t\t}\n\t}\n}\n",
		"flat, no section":   `{"a": 1, "mcpServers": {"vast":{"command":"/usr/local/bin/vast-mcp","args":[]}}}`,
		"comments, trailing": "{\n  \"mcpServers\": {\n    \"other\": {\"command\": \"npx\", \"args\": [\"-y\", \"other\"]}, // last\n    // end\n    \"vast\": {\n      \"command\": \"/usr/local/bin/vast-mcp\",\n      \"args\": []\n    },\n  },\n  // over\n}\n",
	} {
		require.Equal(t, want, add(t, client(t, "cursor"), jsonDocuments()[name], s), name)
	}
}

func TestUpdateKeepsWhatIsTheOwners(t *testing.T) {
	doc := `{
  "mcp": {
    "vast": {
      // not now
      "enabled": false,
      "command": ["/old/vast-mcp"], // mine
      "type": "local",
      "environment": {"A": "1"},
      "timeout": 5000,
    },
    "b": {}, // b
  },
}
`
	s := server()
	s.Key = "secret"
	after := add(t, client(t, "opencode"), doc, s)
	require.Equal(t, strings.NewReplacer(
		`["/old/vast-mcp"]`, "[\n        \"/usr/local/bin/vast-mcp\",\n        \"--sandbox\"\n      ]",
		`{"A": "1"}`, `{"A": "1", "VAST_API_KEY": "secret"}`,
	).Replace(doc), after)
	require.Equal(t, after, add(t, client(t, "opencode"), after, s))
	require.Equal(t, after, add(t, client(t, "opencode"), after, server()), "a key that is there stays")

	_, err := client(t, "opencode").Remove([]byte(after), nil, s)
	require.ErrorContains(t, err, "comments inside the entry")
}

func TestRemoveKeepsTheCommentsAround(t *testing.T) {
	const entry = `"vast": {"command": "vast-mcp"}`
	for name, tc := range map[string]struct{ doc, want string }{
		"first":    {"{\n  // above\n  " + entry + ", // behind\n  // next\n  \"b\": {}\n}", "{\n  // above\n  // behind\n  // next\n  \"b\": {}\n}"},
		"middle":   {"{\n  \"a\": {}, // a\n  " + entry + ",\n  \"b\": {}\n}", "{\n  \"a\": {}, // a\n  \"b\": {}\n}"},
		"last":     {"{\n  \"a\": {},\n  // above\n  " + entry + " // behind\n}", "{\n  \"a\": {}\n  // above\n  // behind\n}"},
		"trailing": {"{\n  \"a\": {},\n  " + entry + ", // behind\n}", "{\n  \"a\": {},\n  // behind\n}"},
		"odd":      {"{\n  \"a\": {} /* a */, /* b */ " + entry + "}", "{\n  \"a\": {} /* a */ /* b */ }"},
		"one line": {"{\n  // above\n  " + entry + ", \"b\": {}\n}", "{\n  // above\n  \"b\": {}\n}"},
		"windows":  {"{\r\n  \"a\": {},\r\n  // above\r\n  " + entry + "\r\n}", "{\r\n  \"a\": {}\r\n  // above\r\n}"},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := `{"mcpServers": `, `, "z": 1}`
			out, err := client(t, "cursor").Remove([]byte(before+tc.doc+after), nil, server())
			require.NoError(t, err)
			require.Equal(t, before+tc.want+after, string(out))
		})
	}
}

func TestJSONThatIsRefused(t *testing.T) {
	c := client(t, "cursor")
	for name, tc := range map[string]struct{ doc, problem string }{
		"broken":         {"{\n  \"key\": sk-secret\n}", "it is not JSON at line 2, column 10"},
		"cut short":      {"{\"a\": 1", "it is JSON that is cut short"},
		"list":           {"[]", "not an object"},
		"null":           {"null", "not an object"},
		"section":        {`{"mcpServers": []}`, `"mcpServers" is not what Cursor expects there`},
		"null section":   {`{"mcpServers": null}`, `"mcpServers" is not what Cursor expects there`},
		"entry":          {`{"mcpServers": {"vast": true}}`, `the entry "vast" there is not a vast-mcp`},
		"foreign":        {`{"mcpServers": {"vast": {"command": "/bin/vastai"}}}`, "choose another name with --name"},
		"remote":         {`{"mcpServers": {"vast": {"url": "https://example.com/vast-mcp"}}}`, "is not a vast-mcp"},
		"section twice":  {`{"mcpServers": {"a": {}}, "mcpServers": {}}`, `"mcpServers" stands there twice`},
		"entry twice":    {`{"mcpServers": {"vast": {}, "vast": {"command": "vast-mcp"}}}`, `"vast" stands there twice`},
		"comment inside": {`{"mcpServers": {"vast": {"command": "vast-mcp", "args": [/* none */]}}}`, "comments inside the entry"},
		"deep":           {`{"a": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Add([]byte(tc.doc), server())
			require.ErrorContains(t, err, tc.problem)
			require.NotContains(t, err.Error(), "sk-secret")
			_, err = c.Find([]byte(tc.doc), server())
			if !strings.Contains(tc.problem, "twice") && !strings.Contains(tc.problem, "comments") {
				require.Error(t, err)
			}
		})
	}
}

func TestWhatCountsAsOurs(t *testing.T) {
	for command, want := range map[string]bool{
		`"vast-mcp"`: true, `"/opt/vast-mcp"`: true, `"C:\\bin\\vast-mcp.exe"`: true, `"/opt/vast-mcp_linux_amd64"`: true,
		`["/opt/vast-mcp", "--sandbox"]`: true, `{"path": "/opt/vast-mcp"}`: true, `"/usr/local/bin/renamed"`: true,
		`"npx"`: false, `"/opt/vast-mcp/other"`: false, `[]`: false, `null`: false,
	} {
		s := server()
		s.Command = "/usr/local/bin/renamed"
		has, err := client(t, "cursor").Find([]byte(`{"mcpServers": {"vast": {"command": `+command+`}}}`), s)
		require.Equal(t, want, err == nil && has != nil, command)
	}
}
