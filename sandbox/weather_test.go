package sandbox_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// fated rents with what is to become of it.
func (r *rig) fated(fate string, extra obj) int64 {
	r.t.Helper()
	r.do(200, "POST", "/__sandbox/faults", obj{"op": "create", "when": "before", "fate": fate})
	query := obj{}
	if extra["price"] != nil {
		query["min_bid"] = obj{"gt": 0, "lte": extra["price"]}
	}
	return r.rent(r.cheap(query)[3]["id"], extra)
}

func TestOrdersThatNeverBecomeAnInstance(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.fated("vanish", nil)
	r.pass(time.Hour)
	require.Nil(t, r.instance(id))
	require.EqualValues(t, 0, r.do(200, "GET", "/api/v1/instances/", nil)["total_instances"])
	require.Equal(t, "no_such_instance", r.do(404, "DELETE", path(id), obj{})["error"])
	require.Empty(t, r.ledger())
}

func TestRowsThatAreLate(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.fated("hidden", nil)
	require.Nil(t, r.instance(id))
	require.Empty(t, r.do(200, "GET", "/api/v1/instances/", nil)["instances"])
	require.Len(t, r.billed(id), 1, "its disk costs already")
	r.pass(15 * time.Second)
	require.NotNil(t, r.instance(id))
	require.Len(t, r.do(200, "GET", "/api/v1/instances/", nil)["instances"], 1)
}

func TestSlowPulls(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.fated("slow", nil)
	r.pass(20 * time.Minute)
	require.Equal(t, "loading", r.instance(id)["actual_status"])
	r.until(id, "running", 42*time.Minute)
}

func TestMishapsByFault(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for fate, status := range map[string]any{"no-start": "created", "dead-host": nil} {
		id := r.fated(fate, nil)
		r.pass(10 * time.Minute)
		require.Equal(t, status, r.instance(id)["actual_status"], fate)
		r.do(200, "DELETE", path(id), obj{})
	}
}

// A bid loses its GPUs to a rival, and has them again by itself when he is
// gone, or at once when it is raised.
func TestBidsLoseAndWinAgain(t *testing.T) {
	for name, c := range map[string]struct {
		then func(r *rig, id int64)
		wins bool
	}{
		"wait":  {func(*rig, int64) {}, true},
		"raise": {func(r *rig, id int64) { r.do(200, "PUT", bidPath(id), obj{"price": 0.3}); r.set(id, "running") }, true},
		"stop":  {func(r *rig, id int64) { r.set(id, "stopped") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sandbox.Options{})
			id := r.fated("outbid", obj{"price": 0.2})
			r.until(id, "running", 8*time.Minute)
			r.until(id, "exited", 20*time.Minute)
			row := r.instance(id)
			require.Equal(t, allStopped, words(row)[:3])
			require.Greater(t, row["min_bid"], 0.2, "what it takes to win")
			require.Equal(t, []string{"disk"}, r.billed(id))
			c.then(r, id)
			if name == "raise" {
				r.until(id, "running", time.Minute)
			}
			r.pass(time.Hour)
			if c.wins {
				require.Equal(t, "running", r.instance(id)["actual_status"])
			} else {
				require.Equal(t, "exited", r.instance(id)["actual_status"])
			}
		})
	}
}

// The start is refused, remembered, and really happens later.
func TestTakenWhileStopped(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.fated("taken", nil)
	r.until(id, "running", 8*time.Minute)
	r.set(id, "stopped")
	r.pass(3 * time.Minute)
	out := r.set(id, "running")
	require.Equal(t, false, out["success"])
	require.Equal(t, "Required resources are currently unavailable, state change queued.", out["msg"])
	require.Equal(t, append(append([]any{}, allStopped...), "exited"), words(r.instance(id)))
	took := r.until(id, "running", 3*time.Hour)
	require.Greater(t, took, 10*time.Minute)

	r.set(id, "stopped")
	r.set(id, "running")
	r.pass(3 * time.Hour)
	require.Equal(t, "running", r.instance(id)["actual_status"], "who is back in time keeps them")
}

// rentable are the offers to be had, with their prices.
func (r *rig) rentable() map[any]float64 {
	prices := map[any]float64{}
	for _, o := range r.offers(obj{"rentable": obj{"eq": true}, "gpu_name": obj{"in": []any{"RTX 4090", "RTX 3090"}}, "gpu_frac": obj{"eq": 1}}) {
		prices[o["id"]] = num(o, "dph_base")
	}
	require.Less(r.t, len(prices), 64, "all of them")
	return prices
}

func TestOffersOfAMarketThatLives(t *testing.T) {
	live, calm := newRig(t, sandbox.Options{Failures: true}), newRig(t, sandbox.Options{})
	first, before := live.rentable(), calm.rentable()
	vanished, back, repriced := map[any]bool{}, 0, 0
	for range 24 {
		live.pass(time.Hour)
		calm.pass(time.Hour)
		now := live.rentable()
		require.Equal(t, now, live.rentable(), "looking changes nothing")
		for id, price := range first {
			switch have, ok := now[id]; {
			case !ok:
				vanished[id] = true
			case vanished[id]:
				back++
			case have != price:
				repriced++
			}
		}
		require.Equal(t, before, calm.rentable())
	}
	require.NotEmpty(t, vanished)
	require.NotZero(t, back)
	require.NotZero(t, repriced)
}

// The price of an offer is what its rental costs, whatever the host asks for
// later.
func TestPricesAreFrozen(t *testing.T) {
	r := newRig(t, sandbox.Options{Failures: true, Credit: 1000})
	asked := map[int64]float64{}
	for _, offer := range r.cheap(nil)[:12] {
		out := r.do(200, "PUT", "/api/v0/asks/"+itoa(offer["id"])+"/", obj{"image": "ubuntu:22.04", "cancel_unavail": true})
		asked[int64(num(out, "new_contract"))] = num(offer, "dph_base")
	}
	r.pass(24 * time.Hour)
	for id, price := range asked {
		if row := r.instance(id); row != nil {
			require.InDelta(t, price, row["dph_base"], 1e-9)
		}
	}
	for _, e := range r.ledger() {
		if e.Kind == "gpu" {
			require.InDelta(t, asked[e.InstanceID], e.DollarsPerHour, 1e-9)
		}
	}
}

// An offer that is gone is refused with any of three statuses, or waited for.
func TestTakenOffers(t *testing.T) {
	r := newRig(t, sandbox.Options{Failures: true, Credit: 1e6})
	seen := map[int]bool{}
	waiting := []int64{}
	for range 6 {
		for id := range r.rentable() {
			r.pass(20 * time.Minute)
			body := obj{"image": "ubuntu:22.04", "cancel_unavail": true}
			res, text, err := r.send("PUT", "/api/v0/asks/"+itoa(id)+"/", body)
			require.NoError(t, err)
			if res.StatusCode != 200 {
				require.Contains(t, string(text), "no_such_ask")
				seen[res.StatusCode] = true
				body["cancel_unavail"] = false
				waiting = append(waiting, int64(num(r.do(200, "PUT", "/api/v0/asks/"+itoa(id)+"/", body), "new_contract")))
			} else {
				var out obj
				require.NoError(t, json.Unmarshal(text, &out))
				r.send("DELETE", path(int64(num(out, "new_contract"))), obj{})
			}
		}
	}
	require.Equal(t, map[int]bool{400: true, 404: true, 410: true}, seen)
	r.pass(4 * time.Hour)
	up := 0
	for _, id := range waiting {
		if row := r.instance(id); row != nil && row["actual_status"] == "running" {
			up++
		}
	}
	require.NotZero(t, up, "who waits is served")
}

// Of many rentals some fail in each way, and after a time all are gone.
func TestHostsOfAMarketThatLives(t *testing.T) {
	r := newRig(t, sandbox.Options{Failures: true, Credit: 1e6, LegacyList: 200})
	rows := func() []obj { return objects(r.do(200, "GET", "/api/v0/instances/", nil)["instances"]) }
	ask := func(offer obj) string { return "/api/v0/asks/" + itoa(offer["id"]) + "/" }
	ids := map[int64]bool{}
	for range 8 {
		for _, offer := range r.offers(obj{"rentable": obj{"eq": true}, "gpu_frac": obj{"eq": 1}}) {
			res, text, err := r.send("PUT", ask(offer), obj{"image": "vastai/pytorch:2.7.1", "cancel_unavail": true})
			require.NoError(t, err)
			if res.StatusCode == 200 {
				var out obj
				require.NoError(t, json.Unmarshal(text, &out))
				ids[int64(num(out, "new_contract"))] = true
			}
		}
		require.Less(t, len(rows()), len(ids), "some are late")
		r.pass(15 * time.Second)
	}
	require.Greater(t, len(ids), 90)
	r.pass(20 * time.Minute)
	count := map[any]int{}
	for _, row := range rows() {
		count[row["actual_status"]]++
	}
	require.Greater(t, count["running"], 60)
	require.NotZero(t, count[nil], "duds")
	require.NotZero(t, count["loading"], "slow pulls")
	require.NotZero(t, count["created"], "broken hosts")
	require.Less(t, len(rows()), len(ids), "orders that never became one")
	t.Log(len(ids), count)
	for range 100 {
		r.pass(6 * time.Hour)
		for _, row := range rows() {
			count[row["actual_status"]]++
		}
	}
	require.NotZero(t, count["offline"])
	r.pass(800 * 24 * time.Hour)
	require.Empty(t, rows(), "contracts end, and then the disks go")
	for _, e := range r.ledger() {
		require.False(t, e.End.IsZero())
	}
}

// What happens follows from the seed and from what was asked when.
func TestWeatherReplays(t *testing.T) {
	play := func() string {
		r := newRig(t, sandbox.Options{Failures: true, Credit: 1000})
		for _, offer := range r.cheap(obj{"min_bid": obj{"gt": 0}})[:10] {
			r.send("PUT", "/api/v0/asks/"+itoa(offer["id"])+"/", obj{"image": "a", "price": num(offer, "min_bid")})
			r.pass(7 * time.Minute)
		}
		r.pass(100 * time.Hour)
		_, text, err := r.send("GET", "/api/v1/instances/", nil)
		require.NoError(t, err)
		return fmt.Sprint(string(text), r.ledger())
	}
	require.Equal(t, play(), play())
}

// Rows appear and leave while pages are read: nothing is told twice, and the
// total tells that something moved.
func TestAPageThatMoves(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1000})
	var ids []int64
	for i, offer := range r.cheap(nil)[:30] {
		if i == 4 {
			r.do(200, "POST", "/__sandbox/faults", obj{"op": "create", "when": "before", "fate": "hidden"})
		}
		ids = append(ids, r.rent(offer["id"], nil))
	}
	first := r.do(200, "GET", "/api/v1/instances/?limit=20", nil)
	require.EqualValues(t, 29, first["total_instances"])
	r.pass(20 * time.Second)
	r.do(200, "DELETE", path(ids[2]), obj{})
	r.do(200, "DELETE", path(ids[3]), obj{})
	second := r.do(200, "GET", "/api/v1/instances/?limit=20&after_token="+first["next_token"].(string), nil)
	require.EqualValues(t, 28, second["total_instances"])
	seen := map[any]bool{}
	for _, row := range append(objects(first["instances"]), objects(second["instances"])...) {
		require.False(t, seen[row["id"]], "twice")
		seen[row["id"]] = true
	}
	require.Len(t, seen, 29)
	require.False(t, seen[float64(ids[4])], "the late one is behind the reader")
}
