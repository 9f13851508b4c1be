package guard_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

// files are the bytes of all files of the journal at path.
func files(t *testing.T, path string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	all := map[string][]byte{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		require.NoError(t, err)
		all[e.Name()] = data
	}
	return all
}

func TestArgumentsAreInNoByteOfTheJournal(t *testing.T) {
	const canary = "hunter2-canary"
	args := `{"env":{"TOKEN":"` + canary + `"}}`
	path, r := file(t), newRig(t)
	r = r.with(onFile(r, path))
	p := r.create(1)
	p.Summary = "a summary that is written"
	g := r.granted(call(args), p)
	require.NoError(t, g.Move(t.Context(), journal.Sent, nil, journal.Prepared))
	require.NoError(t, g.GiveBack(t.Context(), "never sent", journal.Sent))
	g = r.granted(call(args), r.create(1))
	require.NoError(t, g.Tell(t.Context(), true, "unknown", json.RawMessage(`{"status":"unknown"}`)))
	require.NoError(t, r.outOfBand(r.quoted(call(args+" "), r.create(1)), false))

	plain := func(tool string) string {
		sum := sha256.Sum256([]byte(tool + args))
		return hex.EncodeToString(sum[:])
	}
	secrets := []string{
		canary, hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(args)),
		plain(""), plain("create_instance"), plain("create_instance\x00"), // what could be guessed without a key
	}
	check := func() {
		written := false
		for name, data := range files(t, path) {
			for _, s := range secrets {
				require.False(t, bytes.Contains(data, []byte(s)), "%s holds %s", name, s)
			}
			written = written || bytes.Contains(data, []byte(p.Summary))
		}
		require.True(t, written, "the test looks where rows are")
	}
	require.Contains(t, files(t, path), filepath.Base(path)+"-wal")
	check()
	require.NoError(t, r.config.Journal.Close())
	check()
}

func TestAnotherKeyIsAnotherDigest(t *testing.T) {
	r := newRig(t)
	q := r.approved(call("{}"), r.create(1))
	other := r.with(func(c *guard.Config) { c.Key = func() ([]byte, error) { return []byte("another key"), nil } })
	require.NotEqual(t, q.ID, other.quoted(call("{}"), r.create(1)).ID)
}

func TestToolAndArgumentsDoNotRunTogether(t *testing.T) {
	r := newRig(t)
	a := r.quoted(guard.Call{Caller: "local", Tool: "ab", Args: []byte("c")}, r.create(1))
	b := r.quoted(guard.Call{Caller: "local", Tool: "a", Args: []byte("bc")}, r.create(1))
	require.NotEqual(t, a.ID, b.ID)
}
