package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/sandbox"
)

// spender does what can cost or end something, and remembers which volumes
// are gone since when.
type spender struct {
	*rig
	rt        *rapid.T
	offers    []obj
	asks      []obj
	volumes   []int64
	instances []int64
	gone      map[int64]time.Time
	ends      map[int64]time.Time
	given     int64
}

// pick is one of the ids; 0 where there is none.
func (s *spender) pick(ids []int64) int64 {
	if len(ids) == 0 {
		return 0
	}
	return ids[rapid.IntRange(0, len(ids)-1).Draw(s.rt, "which")]
}

func (s *spender) makeVolume() {
	offer := s.offers[rapid.IntRange(0, 4).Draw(s.rt, "offer")]
	body := obj{"id": offer["id"], "size": rapid.IntRange(0, 60).Draw(s.rt, "size")}
	s.learn("PUT", volumePath, body)
}

func (s *spender) cloneVolume() {
	offer := s.offers[rapid.IntRange(0, 4).Draw(s.rt, "offer")]
	s.learn("POST", volumePath+"copy/", obj{"src_id": s.pick(s.volumes), "dst_id": offer["id"]})
}

// learn sends and remembers the volume that was made, if one was.
func (s *spender) learn(method, path string, body any) {
	before := map[int64]bool{}
	for _, id := range s.volumes {
		before[id] = true
	}
	_, _, err := s.send(method, path, body)
	require.NoError(s.rt, err)
	for _, row := range s.rig.volumes() {
		if id := int64(num(row, "id")); !before[id] {
			s.volumes = append(s.volumes, id)
			s.ends[id] = time.UnixMicro(int64(num(row, "end_date") * 1e6))
		}
	}
}

func (s *spender) deleteVolume() {
	id := s.pick(s.volumes)
	res, _, err := s.send("DELETE", deletion(id), obj{})
	require.NoError(s.rt, err)
	if res.StatusCode == 200 {
		s.gone[id] = s.m.Now()
	}
}

func (s *spender) rentInstance() {
	ask := s.asks[rapid.IntRange(3, 6).Draw(s.rt, "ask")]
	body := obj{"image": "x", "disk": 10, "cancel_unavail": true}
	if rapid.Bool().Draw(s.rt, "mount") {
		body["volume_info"] = obj{"create_new": true, "volume_id": ask["avail_vol_ask_id"], "size": 5}
	}
	s.learn("PUT", "/api/v0/asks/"+itoa(ask["id"])+"/", body)
	s.instances = nil
	for _, row := range objects(s.do(200, "GET", "/api/v1/instances/", nil)["instances"]) {
		s.instances = append(s.instances, int64(num(row, "id")))
	}
}

func (s *spender) destroyInstance() {
	_, _, err := s.send("DELETE", path(s.pick(s.instances)), obj{})
	require.NoError(s.rt, err)
}

func (s *spender) giveAway() {
	cents := rapid.Int64Range(0, 3000).Draw(s.rt, "cents")
	res, _, err := s.send("PUT", "/api/v0/commands/transfer_credit/", obj{"recipient": "a@b.c", "amount": float64(cents) / 100})
	require.NoError(s.rt, err)
	if res.StatusCode == 200 {
		s.given += cents * 10_000
	}
}

func (s *spender) wait() {
	s.pass(time.Duration(rapid.Int64Range(0, int64(400*time.Hour)).Draw(s.rt, "for")))
}

// check compares the ledger, the credit and the account's own words.
func (s *spender) check(start int64) {
	charged, given, now := int64(0), int64(0), s.m.Now()
	for _, e := range s.ledger() {
		charged += e.MicroDollars
		if e.Kind == "transfer" {
			given += e.MicroDollars
			continue
		}
		require.InDelta(s.rt, owed(e, now), e.MicroDollars, 0.51)
		if at, gone := s.gone[e.InstanceID]; gone {
			require.False(s.rt, e.End.IsZero(), "volume %d is gone and bills on", e.InstanceID)
			require.False(s.rt, e.End.After(at), "volume %d billed after it was gone", e.InstanceID)
		}
	}
	require.Equal(s.rt, start, s.credit()+charged)
	require.Equal(s.rt, s.given, given)
	require.InDelta(s.rt, float64(s.credit())/1e6, s.do(200, "GET", "/api/v0/users/current/", nil)["credit"], 1e-9)
	listed := map[int64]bool{}
	for _, row := range s.rig.volumes() {
		listed[int64(num(row, "id"))] = true
		require.Greater(s.rt, num(row, "end_date"), float64(now.UnixMicro()-1)/1e6)
	}
	for _, e := range s.ledger() {
		if e.Kind == "volume" {
			require.False(s.rt, e.End.After(s.ends[e.InstanceID].Add(time.Millisecond)), "it bills beyond the listing")
			require.Equal(s.rt, e.End.IsZero(), listed[e.InstanceID], "a volume bills exactly while it is there")
		}
	}
}

// Whatever is done and whenever, credit and charges make up what the account
// began with, and no volume bills after it is gone.
func TestSpending(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1}
	r := newRig(t, o)
	offers := r.space(obj{"storage_cost": obj{"gt": 0}, "order": []any{[]any{"duration", "asc"}}})
	asks := r.cheap(nil)
	rapid.Check(t, func(rt *rapid.T) {
		r.empty(o)
		s := &spender{rig: r, rt: rt, offers: offers, asks: asks, gone: map[int64]time.Time{}, ends: map[int64]time.Time{}}
		steps := []func(){s.makeVolume, s.makeVolume, s.cloneVolume, s.deleteVolume, s.rentInstance, s.destroyInstance, s.giveAway, s.wait, s.wait}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			steps[rapid.IntRange(0, len(steps)-1).Draw(rt, "step")]()
		}
		s.check(100_000_000)
	})
}
