package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/journaltest"
	"vast-mcp/internal/rig"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// kept is every byte that a place keeps: the files as they are, or each row of
// each table.
func kept(t *testing.T, p journaltest.Place) []byte {
	t.Helper()
	var all bytes.Buffer
	if p.Path != "" {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(p.Path), "*"))
		require.NoError(t, err)
		require.Contains(t, files, p.Path+"-wal")
		for _, name := range files {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			all.Write(data)
		}
		return all.Bytes()
	}
	db := p.DB()
	for _, table := range []string{"realms", "quotes", "approvals", "intents", "outcomes", "leases", "events", "settings"} {
		var rows string
		require.NoError(t, db.QueryRowContext(t.Context(), `SELECT coalesce(string_agg(r::text, ' '), '') FROM `+table+` r`).Scan(&rows))
		all.WriteString(rows)
	}
	return all.Bytes()
}

// TestSecretsOfARentalAreKeptNowhere: they are in the order, and in nothing
// that is written down or told, though the API repeats them in an error.
func TestSecretsOfARentalAreKeptNowhere(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		const canary = "hunter2-canary"
		market := fast()
		market.Faults = []sandbox.Fault{{Op: "create", When: "before", Status: 400, Count: 1, Body: `{"success":false,"error":"invalid_args","msg":"bad env TOKEN=` + canary + `-env"}`}}
		r := rig.New(t, rig.Options{Market: market, Mode: guard.Operator, Journal: p.Open(vast.SystemClock{}.Now)})
		var told bytes.Buffer
		rent := func(label string) {
			args := fmt.Sprintf(`{"offer_id":%d,"image":"a/b","label":"%s","env":{"TOKEN":"%s-env"},"onstart":"export KEY=%s-onstart","image_login":"-u me -p %s-login ghcr.io"}`,
				r.Offer("RTX 4090"), label, canary, canary, canary)
			for range 2 {
				res := r.Call("create_instance", args)
				fmt.Fprintf(&told, "%s %+v", res.Structured, res.Failure)
				r.Approve()
			}
		}
		rent("refused")
		require.Contains(t, told.String(), "[redacted]", "the API told it, and it went no further")
		r.Break(`create:after:drop:1`)
		rent("a label that is kept")
		require.Len(t, r.Machines(), 1, "the answer was lost, the machine was found")

		for _, e := range journaltest.Events(t, r.Journal, realmOf(t, r)) {
			require.NoError(t, e.Write(&told))
		}
		told.WriteString(r.Log.String())
		bytesKept := kept(t, p)
		require.True(t, bytes.Contains(bytesKept, []byte("a label that is kept")), "the test looks where rows are")
		for _, form := range []string{canary, hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(canary))} {
			if i := bytes.Index(bytesKept, []byte(form)); i >= 0 {
				require.Fail(t, "a secret is kept", "%q", bytesKept[max(0, i-150):min(len(bytesKept), i+150)])
			}
			require.NotContains(t, told.String(), form)
		}
	})
}
