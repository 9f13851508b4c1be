package sandbox_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func BenchmarkSearch(b *testing.B) {
	r := newRig(b, sandbox.Options{})
	for b.Loop() {
		r.search()
	}
}

// search is the official client's default.
func (r *rig) search() {
	r.t.Helper()
	r.expect("POST", bundles, `{"verified":{"eq":true},"external":{"eq":false},"rentable":{"eq":true},"order":[["score","desc"]],"type":"on-demand","allocated_storage":5.0}`)
}

// expect sends a request that must succeed, and leaves the answer unread.
func (r *rig) expect(method, path string, body any) {
	r.t.Helper()
	res, text, err := r.send(method, path, body)
	require.NoError(r.t, err)
	require.Equal(r.t, 200, res.StatusCode, "%s", text)
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		_, err := sandbox.Open(sandbox.Options{Dir: dir})
		require.NoError(b, err)
	}
}

// crowd rents n instances: what can run does, and the rest wait.
func (r *rig) crowd(n int) []int64 {
	r.t.Helper()
	var ids []int64
	for len(ids) < n {
		before := len(ids)
		for _, o := range r.offers(obj{"rentable": obj{"eq": true}, "disk_space": obj{"gt": 50}, "order": []any{[]any{"num_gpus", "asc"}}}) {
			if now := r.offers(obj{"ask_contract_id": obj{"eq": o["id"]}})[0]; len(ids) < n && now["rentable"] == true && num(now, "disk_space") > 8 {
				ids = append(ids, r.rent(o["id"], obj{"disk": 8}))
			}
		}
		if len(ids) == before {
			for _, o := range r.offers(obj{"disk_space": obj{"gt": 100}}) {
				if len(ids) < n {
					ids = append(ids, r.rent(o["id"], obj{"disk": 8, "cancel_unavail": false}))
				}
			}
		}
	}
	return ids
}

// age stops and starts everything until the ledger is that long.
func (r *rig) age(ids []int64, entries int) {
	r.t.Helper()
	r.pass(10 * time.Minute)
	for len(r.ledger()) < entries {
		for _, state := range []string{"stopped", "running"} {
			r.expect("PUT", "/api/v0/instances/", obj{"state": state, "ids": ids})
			r.pass(10 * time.Minute)
		}
	}
}

// A market of 1,000 instances with 100,000 entries in its ledger: what a page
// of the list, a search and a write take.
func BenchmarkLarge(b *testing.B) {
	dir := b.TempDir()
	r := newRig(b, sandbox.Options{Dir: dir, Speed: 1, Credit: 1e8})
	ids := r.crowd(1000)
	r.age(ids, 100_000)
	for name, raw := range map[string]string{"market": "market.json", "ledger": "market.ledger"} {
		info, err := os.Stat(filepath.Join(dir, raw))
		require.NoError(b, err)
		b.Logf("%s: %d bytes", name, info.Size())
	}
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			r.expect("GET", "/api/v1/instances/", nil)
		}
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			r.search()
		}
	})
	b.Run("write", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			r.expect("PUT", path(ids[n%1000]), obj{"label": "n" + itoa(float64(n))})
		}
	})
	b.Run("user", func(b *testing.B) {
		for b.Loop() {
			r.expect("GET", "/api/v0/users/current/", nil)
		}
	})
}

// What has ended is not written again: the state stays as large as what runs.
func TestTheStateDoesNotGrowWithTheLedger(t *testing.T) {
	dir := t.TempDir()
	o := sandbox.Options{Dir: dir, Speed: 1, Credit: 1e6}
	r := newRig(t, o)
	ids := []int64{r.up(3, nil), r.up(4, nil)}
	r.age(ids, 500)
	r.do(200, "PUT", path(ids[0]), obj{"label": "x"})
	raw, err := os.ReadFile(filepath.Join(dir, "market.json"))
	require.NoError(t, err)
	var stored struct{ Meters []any }
	require.NoError(t, json.Unmarshal(raw, &stored))
	require.LessOrEqual(t, len(stored.Meters), 8, "four of each instance that runs")
	again := r.open(o)
	require.Equal(t, r.ledger(), again.ledger())
	require.GreaterOrEqual(t, len(again.ledger()), 500)
}

// Two processes end meters in turn, and one of them is started anew.
func TestTheLedgerIsShared(t *testing.T) {
	dir := t.TempDir()
	o := sandbox.Options{Dir: dir, Speed: 1, Credit: 1e6}
	a := newRig(t, o)
	b := a.open(o)
	ids := []int64{a.up(3, nil), a.up(4, nil)}
	for n := range 10 {
		a.pass(20 * time.Minute)
		require.Equal(t, a.ledger(), b.ledger(), "what only reads ended is not stored")
		[]*rig{a, b}[n%2].expect("PUT", "/api/v0/instances/", obj{"state": []string{"stopped", "running"}[n/2%2], "ids": ids})
	}
	require.Equal(t, a.ledger(), a.open(o).ledger())

	old := a.ledger()
	a.open(sandbox.Options{Dir: dir, Fresh: true})
	require.Empty(t, a.ledger())
	b.rent(b.cheap(nil)[3]["id"], nil)
	require.Len(t, a.ledger(), 1)
	require.NotEqual(t, old, b.ledger())
}

func TestDamagedLedger(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"changed": func(raw []byte) []byte { raw[len(raw)/2]++; return raw },
		"short":   func(raw []byte) []byte { return raw[:len(raw)-1] },
		"gone":    func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := newRig(t, sandbox.Options{Dir: dir})
			id := r.up(3, nil)
			r.do(200, "DELETE", path(id), obj{})
			file := filepath.Join(dir, "market.ledger")
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			if raw = damage(raw); raw == nil {
				require.NoError(t, os.Remove(file))
			} else {
				require.NoError(t, os.WriteFile(file, raw, 0o600))
			}
			_, err = sandbox.Open(sandbox.Options{Dir: dir})
			require.ErrorContains(t, err, "--sandbox-fresh")
			_, err = sandbox.Open(sandbox.Options{Dir: dir, Fresh: true})
			require.NoError(t, err)
		})
	}
}
