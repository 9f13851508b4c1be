package install_test

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/internal/install"
)

// jsonWriter writes documents that are laid out in any way that is allowed.
type jsonWriter struct {
	t       *rapid.T
	newline string
	doc     strings.Builder
}

func (w *jsonWriter) pick(from ...string) string { return rapid.SampledFrom(from).Draw(w.t, "text") }

// gap writes what may stand between two tokens.
func (w *jsonWriter) gap() {
	for range rapid.IntRange(0, 2).Draw(w.t, "gaps") {
		w.doc.WriteString(w.pick("", " ", "\t", w.newline, w.newline+"    ", "/* c */", "// l"+w.newline, w.newline+w.newline))
	}
}

func (w *jsonWriter) list(open, end string, n int, item func(i int)) {
	w.doc.WriteString(open)
	w.gap()
	for i := range n {
		item(i)
		w.gap()
		if i < n-1 || rapid.Bool().Draw(w.t, "trailing") {
			w.doc.WriteString(",")
		}
		w.gap()
	}
	w.doc.WriteString(end)
}

func (w *jsonWriter) object(keys []string, value func(key string)) {
	w.list("{", "}", len(keys), func(i int) {
		w.doc.WriteString(`"` + keys[i] + `"`)
		w.gap()
		w.doc.WriteString(":")
		w.gap()
		value(keys[i])
	})
}

func (w *jsonWriter) keys(extra ...string) []string {
	all := append([]string{"a", "b c", `\u0041\n`, "vast2", "z"}, extra...)
	return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 4, rapid.ID).Draw(w.t, "keys")
}

func (w *jsonWriter) value(depth int) {
	switch kind := rapid.IntRange(0, 5).Draw(w.t, "kind"); {
	case kind == 0 && depth > 0:
		w.object(w.keys(), func(string) { w.value(depth - 1) })
	case kind == 1 && depth > 0:
		w.list("[", "]", rapid.IntRange(0, 3).Draw(w.t, "items"), func(int) { w.value(depth - 1) })
	default:
		w.doc.WriteString(w.pick("1", "-1.50e+3", "true", "null", `""`, `"\"{[//"`, `"/* é \u00e9 */"`))
	}
}

// document writes a client's file, with or without servers.
func (w *jsonWriter) document() string {
	w.doc.WriteString(w.pick("", "\ufeff"))
	w.gap()
	w.object(w.keys("mcpServers"), func(key string) {
		if key != "mcpServers" {
			w.value(2)
			return
		}
		w.object(w.keys(), func(string) { w.object(w.keys("command"), func(string) { w.value(1) }) })
	})
	w.gap()
	return w.doc.String()
}

func aServer(t *rapid.T) install.Server {
	return install.Server{
		Name:    "vast",
		Command: rapid.SampledFrom([]string{"/bin/vast-mcp", `C:\Program Files\vast-mcp.exe`}).Draw(t, "command"),
		Args:    rapid.SliceOfN(rapid.SampledFrom([]string{"--sandbox", "--state-dir=/a b", "<&>", "é\"\\"}), 0, 3).Draw(t, "args"),
		Key:     rapid.SampledFrom([]string{"", "secret"}).Draw(t, "key"),
	}
}

func comments(doc string) [2]int {
	return [2]int{strings.Count(doc, "/* c */"), strings.Count(doc, "// l")}
}

func TestJSONProperties(t *testing.T) {
	c := client(t, "claude-code")
	rapid.Check(t, func(rt *rapid.T) {
		w := jsonWriter{t: rt, newline: rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(rt, "newline")}
		doc, s := w.document(), aServer(rt)
		after, err := c.Add([]byte(doc), s)
		require.NoError(rt, err, doc)
		require.Equal(rt, comments(doc), comments(string(after)), "no comment is lost")
		again, err := c.Add(after, s)
		require.NoError(rt, err)
		require.Equal(rt, string(after), string(again), "a second time changes nothing")

		before, err := c.Remove(after, []byte(doc), s)
		require.NoError(rt, err)
		require.Equal(rt, doc, string(before), "remove takes add back")

		updated := aServer(rt)
		after, err = c.Add(after, updated)
		require.NoError(rt, err)
		alone, err := c.Remove(after, []byte("unreadable"), updated)
		require.NoError(rt, err)
		require.Equal(rt, comments(doc), comments(string(alone)))
		want, got := tree(t, strings.TrimPrefix(doc, "\ufeff")), tree(t, strings.TrimPrefix(string(alone), "\ufeff"))
		require.Equal(rt, want, got, "nothing else changes")
	})
}

func TestTOMLProperties(t *testing.T) {
	c := client(t, "codex")
	rapid.Check(t, func(rt *rapid.T) {
		newline := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(rt, "newline")
		var blocks []string
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", `"b c"`, "vast2", "mcp_servers.x", "mcp_servers.'y z'.env", "mcp_servers"}), 0, 5, rapid.ID).Draw(rt, "tables") {
			body := rapid.SampledFrom([]string{"", "k = 1", "# c", "l = [ # c\n1,\n]", "s = \"\"\"\n[mcp_servers.vast]\n\"\"\"", "  i = { a = '#', b.c = 2 } # c", "\n"}).Draw(rt, "body")
			blocks = append(blocks, "["+name+"]\n"+body+rapid.SampledFrom([]string{"\n", "\n\n", "\n# c\n"}).Draw(rt, "gap"))
		}
		doc := strings.ReplaceAll(rapid.SampledFrom([]string{"", "\n", "m = 1\n", "# c\n\n"}).Draw(rt, "top")+strings.Join(blocks, ""), "\n", newline)
		doc = strings.TrimSuffix(doc, rapid.SampledFrom([]string{"", newline}).Draw(rt, "cut"))

		s := aServer(rt)
		after, err := c.Add([]byte(doc), s)
		require.NoError(rt, err, doc)
		again, err := c.Add(after, s)
		require.NoError(rt, err)
		require.Equal(rt, string(after), string(again))
		before, err := c.Remove(after, []byte(doc), s)
		require.NoError(rt, err)
		require.Equal(rt, doc, string(before))

		updated := aServer(rt)
		after, err = c.Add(after, updated)
		require.NoError(rt, err)
		alone, err := c.Remove(after, []byte("= unreadable"), updated)
		require.NoError(rt, err)
		require.Equal(rt, strings.TrimSpace(doc), strings.TrimSpace(string(alone)))
	})
}

func FuzzJSON(f *testing.F) {
	for _, doc := range jsonDocuments() {
		f.Add(doc)
	}
	f.Add(`{"mcpServers": {"vast": {"command": "vast-mcp", "env": {"A": 1}}}}`)
	c := client(f, "cursor")
	f.Fuzz(func(t *testing.T, doc string) { roundTrip(t, c, doc) })
}

func FuzzTOML(f *testing.F) {
	for _, doc := range tomlDocuments() {
		f.Add(doc)
	}
	f.Add("[mcp_servers.vast]\ncommand = \"vast-mcp\"\n[mcp_servers.vast.env]\nA = 1\n")
	c := client(f, "codex")
	f.Fuzz(func(t *testing.T, doc string) {
		roundTrip(t, c, doc)
		if after, err := c.Add([]byte(doc), server()); err == nil {
			var all map[string]any
			_, err := toml.Decode(strings.TrimPrefix(string(after), "\ufeff"), &all)
			require.NoError(t, err)
		}
	})
}

// roundTrip says what holds for every document that is not refused.
func roundTrip(t *testing.T, c install.Client, doc string) {
	t.Helper()
	had, err := c.Find([]byte(doc), server())
	if err != nil {
		return
	}
	after, err := c.Add([]byte(doc), server())
	if err != nil {
		return
	}
	again, err := c.Add(after, server())
	require.NoError(t, err)
	require.Equal(t, string(after), string(again))
	has, err := c.Find(after, server())
	require.NoError(t, err)
	require.Equal(t, []string{"/usr/local/bin/vast-mcp", "--sandbox"}, has.Command)
	before, err := c.Remove(after, []byte(doc), server())
	if had != nil {
		return // an entry of before may hold comments
	}
	require.NoError(t, err)
	require.Equal(t, doc, string(before))
}
