package sandbox_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/sandbox"
)

// anything is one call that a renter may make, whatever comes of it.
func (r *rig) anything(rt *rapid.T, offers []obj, ids []int64) []int64 {
	r.t.Helper()
	id := func() int64 {
		if len(ids) == 0 {
			return 1
		}
		return rapid.SampledFrom(ids).Draw(rt, "instance")
	}
	call := rapid.SampledFrom([]string{"create", "create", "bid", "start", "stop", "reboot", "recycle", "rebid", "prepay", "destroy", "destroy"}).Draw(rt, "call")
	send := func(method, path string, body obj) []byte {
		_, text, err := r.send(method, path, body)
		if err != nil {
			return nil // a fault dropped it
		}
		return text
	}
	switch call {
	case "create", "bid":
		offer := rapid.SampledFrom(offers).Draw(rt, "offer")
		body := obj{"image": "a", "cancel_unavail": rapid.Bool().Draw(rt, "cancel_unavail"), "target_state": rapid.SampledFrom([]string{"running", "stopped"}).Draw(rt, "state")}
		if call == "bid" {
			body["price"] = num(offer, "min_bid") * rapid.Float64Range(0.9, 2).Draw(rt, "factor")
		}
		var out obj
		if json.Unmarshal(send("PUT", "/api/v0/asks/"+itoa(offer["id"])+"/", body), &out) == nil {
			if made, ok := out["new_contract"].(float64); ok {
				ids = append(ids, int64(made))
			}
		}
	case "start", "stop":
		send("PUT", path(id()), obj{"state": map[string]string{"start": "running", "stop": "stopped"}[call]})
	case "reboot", "recycle":
		send("PUT", fmt.Sprintf("/api/v0/instances/%s/%d/", call, id()), obj{})
	case "rebid":
		send("PUT", bidPath(id()), obj{"price": rapid.Float64Range(0.01, 1).Draw(rt, "price")})
	case "prepay":
		send("PUT", fmt.Sprintf("/api/v0/instances/prepay/%d/", id()), obj{"amount": rapid.Float64Range(0.01, 5).Draw(rt, "amount")})
	default:
		send("DELETE", path(id()), obj{})
	}
	return ids
}

// Whatever is asked, whatever fails and however time passes: what is left and
// what was charged are what there was, and who is gone costs nothing.
func TestMoneyIsNeverLostOrMade(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1, LegacyList: 200}
	look := newRig(t, o)
	offers := look.cheap(obj{"min_bid": obj{"gt": 0}})[:6]
	rapid.Check(t, func(rt *rapid.T) {
		weather := o
		weather.Fresh, weather.Credit, weather.Failures = true, 20, true
		weather.Faults = sandbox.Schedule(rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 60).Draw(rt, "faults"))
		*look.wall = epoch
		r := look.open(weather)
		var ids []int64
		final := map[int64]int64{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			ids = r.anything(rt, offers, ids)
			r.pass(time.Duration(rapid.Int64Range(int64(time.Minute), int64(20*time.Hour)).Draw(rt, "pass")))
			look.balanced(final)
		}
		r.pass(3 * 365 * 24 * time.Hour)
		look.balanced(final)
		require.Empty(t, look.do(200, "GET", "/api/v0/instances/", nil)["instances"], "contracts end")
	})
}

// balanced checks the money, and that who is gone costs what he cost before.
func (r *rig) balanced(final map[int64]int64) {
	r.t.Helper()
	sum, cost, open, long := int64(0), map[int64]int64{}, map[int64]bool{}, map[int64]bool{}
	for _, e := range r.ledger() {
		sum += e.MicroDollars
		cost[e.InstanceID] += e.MicroDollars
		open[e.InstanceID] = open[e.InstanceID] || e.End.IsZero()
		long[e.InstanceID] = long[e.InstanceID] || (e.End.IsZero() && r.m.Now().Sub(e.Start) > time.Minute)
	}
	require.Equal(r.t, 20_000_000-sum, r.credit(), "to the micro-dollar")
	for id, micro := range cost {
		if last, gone := final[id]; gone {
			require.Equal(r.t, last, micro, "%d is gone", id)
		} else if r.instance(id) == nil {
			require.False(r.t, long[id], "%d is gone, and not late", id)
			if !open[id] {
				final[id] = micro
			}
		}
	}
}
