package sandbox_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func TestTheMarketIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "sandbox")
	r := newRig(t, sandbox.Options{Dir: dir, Seed: 7, Speed: 60, Credit: 50})
	id := r.rent(r.cheap(nil)[3]["id"], obj{"label": "kept"})
	r.pass(time.Minute) // an hour of the market

	again := r.open(sandbox.Options{Dir: dir})
	require.Equal(t, "kept", again.instance(id)["label"])
	require.Equal(t, "running", again.instance(id)["actual_status"])
	require.Equal(t, r.m.Now(), again.m.Now())
	require.Equal(t, epoch.Add(time.Hour), again.m.Now())
	require.Equal(t, r.ledger(), again.ledger())
	require.Less(t, again.credit(), int64(50_000_000))

	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "market.json"): 0o600} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), name)
	}
	leftovers, err := filepath.Glob(filepath.Join(dir, ".market-*"))
	require.NoError(t, err)
	require.Empty(t, leftovers)
}

func TestSpeedChangesWithoutAJump(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, sandbox.Options{Dir: dir})
	r.pass(time.Minute)
	before := r.m.Now()
	require.Equal(t, epoch.Add(10*time.Minute), before, "ten times as fast as the wall")
	faster := r.open(sandbox.Options{Dir: dir, Speed: 100})
	require.Equal(t, before, faster.m.Now())
	r.pass(time.Second)
	require.Equal(t, before.Add(100*time.Second), r.m.Now(), "for every process")
	require.Equal(t, before.Add(100*time.Second), faster.m.Now())
	r.pass(-time.Hour)
	require.False(t, r.m.Now().Before(before), "market time doesn't run backwards")
}

func TestSeedOfAnotherMarket(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, sandbox.Options{Dir: dir, Seed: 3})
	_, err := sandbox.Open(sandbox.Options{Dir: dir, Seed: 4})
	require.ErrorContains(t, err, "use --sandbox-fresh")
	old := r.rent(r.cheap(nil)[3]["id"], nil)
	offers := r.offers(nil)

	fresh := r.open(sandbox.Options{Dir: dir, Seed: 4, Fresh: true})
	require.Empty(t, fresh.ledger())
	require.Nil(t, r.instance(old), "who has it open sees the new market")
	require.NotEqual(t, offers, r.offers(nil))
}

func TestDamagedMarket(t *testing.T) {
	for name, content := range map[string]string{
		"empty":        "",
		"no JSON":      "{",
		"other":        "{}",
		"unknown ask":  `{"version":1,"seed":1,"clock":{"epoch":"2026-01-01T00:00:00Z","anchor":"2026-01-01T00:00:00Z","speed":1},"born":"2026-01-01T00:00:00Z","at":"2026-01-01T00:00:00Z","contracts":[{"id":1,"ask":1,"gpus":1,"created":"2026-01-01T00:00:00Z","ends":"2026-01-01T00:00:00Z","since":"2026-01-01T00:00:00Z"}],"next_contract":45001002,"next_key":660001}`,
		"null rentals": `{"version":1,"seed":1,"clock":{"epoch":"2026-01-01T00:00:00Z","anchor":"2026-01-01T00:00:00Z","speed":1},"born":"2026-01-01T00:00:00Z","at":"2026-01-01T00:00:00Z","contracts":[null],"next_contract":45001002,"next_key":660001}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "market.json"), []byte(content), 0o600))
			m, err := sandbox.Open(sandbox.Options{Dir: dir})
			if err == nil {
				_, err = m.Ledger()
			}
			require.ErrorContains(t, err, "--sandbox-fresh")
			_, err = sandbox.Open(sandbox.Options{Dir: dir, Fresh: true})
			require.NoError(t, err)
		})
	}
}

func TestTheMarketIsDamagedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, sandbox.Options{Dir: dir})
	now := r.m.Now()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "market.json"), []byte("x"), 0o600))
	out := r.do(500, "GET", "/api/v0/users/current/", nil)
	require.Contains(t, out["msg"], "--sandbox-fresh")
	r.do(500, "GET", "/__sandbox/ledger", nil)
	require.Equal(t, now, r.m.Now())
	_, err := r.m.Credit()
	require.Error(t, err)
	require.NoError(t, os.RemoveAll(dir))
	r.do(500, "GET", "/api/v0/users/current/", nil)
}

// What can't be stored has not happened.
func TestAFailedWriteChangesNothing(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	r := newRig(t, sandbox.Options{Dir: dir})
	offer := r.cheap(nil)[3]["id"]
	require.NoError(t, os.Chmod(dir, 0o500))
	r.do(500, "PUT", "/api/v0/asks/"+itoa(offer)+"/", obj{"image": "x"})
	require.NoError(t, os.Chmod(dir, 0o700))
	require.Empty(t, r.ledger())
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, o := range map[string]sandbox.Options{
		"negative speed": {Speed: -1},
		"absurd speed":   {Speed: 1e9},
		"no credit":      {Credit: -1},
		"list status":    {LegacyList: 418},
		"fault":          {Faults: []sandbox.Fault{{Op: "create"}}},
		"a file":         {Dir: file},
	} {
		_, err := sandbox.Open(o)
		require.Error(t, err, name)
	}
}

// Two markets on one folder stand for two processes: the lock is the file's.
func TestProcessesShareTheMarket(t *testing.T) {
	dir := t.TempDir()
	a := newRig(t, sandbox.Options{Dir: dir, Credit: 1000})
	b := a.open(sandbox.Options{Dir: dir})
	offers := a.cheap(nil)

	id := a.rent(offers[0]["id"], nil)
	require.NotNil(t, b.instance(id))
	b.do(200, "PUT", path(id), obj{"label": "by b"})
	require.Equal(t, "by b", a.instance(id)["label"])
	require.Equal(t, "no_such_ask", b.do(410, "PUT", "/api/v0/asks/"+itoa(offers[0]["id"])+"/", obj{"image": "x"})["error"])

	const each = 15
	var wg sync.WaitGroup
	for p, r := range []*rig{a, b, a.open(sandbox.Options{Dir: dir})} {
		wg.Go(func() {
			for i := range each {
				if i%3 == 0 {
					r.rent(offers[1+p*each+i]["id"], nil)
				}
				r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": fmt.Sprintf("key %d of %d", i, p)})
			}
		})
	}
	wg.Wait()
	_, keys, err := b.send("GET", "/api/v0/ssh/", nil)
	require.NoError(t, err)
	for p := range 3 {
		for i := range each {
			require.Contains(t, string(keys), fmt.Sprintf("key %d of %d", i, p), "an update was lost")
		}
	}
	list := a.do(200, "GET", "/api/v1/instances/", nil)
	require.EqualValues(t, 1+3*each/3, list["total_instances"])
	require.Equal(t, a.ledger(), b.ledger())
}

func FuzzMarketFile(f *testing.F) {
	dir := f.TempDir()
	r := newRig(f, sandbox.Options{Dir: dir})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	r.set(id, "stopped")
	written, err := os.ReadFile(filepath.Join(dir, "market.json"))
	require.NoError(f, err)
	f.Add(written)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "market.json"), content, 0o600))
		m, err := sandbox.Open(sandbox.Options{Dir: dir, Now: func() time.Time { return epoch.Add(time.Hour) }})
		if err != nil {
			require.ErrorContains(t, err, "--sandbox-fresh")
			return
		}
		c := &rig{t: t, m: m, key: m.Key()}
		for _, p := range []string{"/api/v1/instances/", "/api/v0/users/current/", "/api/v0/ssh/", "/__sandbox/ledger"} {
			_, _, err := c.send("GET", p, nil)
			require.NoError(t, err)
		}
	})
}
