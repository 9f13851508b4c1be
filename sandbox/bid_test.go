package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func bidPath(id int64) string { return "/api/v0/instances/bid_price/" + itoa(float64(id)) + "/" }

// biddable is an offer that takes low bids.
func (r *rig) biddable() obj {
	r.t.Helper()
	return r.cheap(obj{"type": "bid", "min_bid": obj{"gt": 0.005, "lt": 0.2}})[0]
}

func TestChangeBid(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.biddable()
	floor := num(offer, "min_bid")
	id := r.rent(offer["id"], obj{"price": floor + 0.02})
	r.until(id, "running", 8*time.Minute)
	r.pass(time.Hour)

	require.Equal(t, obj{"success": true}, r.do(200, "PUT", bidPath(id), obj{"client_id": "me", "price": floor + 0.01}))
	r.pass(time.Hour)
	row := r.instance(id)
	require.Equal(t, "running", row["actual_status"], "it still wins")
	require.InDelta(t, floor+0.01, row["dph_base"], 1e-9)
	var rates []float64
	for _, e := range r.ledger() {
		if e.Kind == "gpu" {
			rates = append(rates, e.DollarsPerHour)
		}
	}
	require.InDeltaSlice(t, []float64{floor + 0.02, floor + 0.01}, rates, 1e-9)

	r.do(200, "PUT", bidPath(id), obj{"client_id": "me", "price": nil})
	require.InDelta(t, floor, r.instance(id)["dph_base"], 1e-9, "the least that wins")

	r.do(200, "PUT", bidPath(id), obj{"price": floor / 2})
	require.Equal(t, []any{"stopped", "stopped", "stopped", "exited"}, words(r.instance(id)), "a bid below the floor loses")
	require.Equal(t, false, r.set(id, "running")["success"])
	r.set(id, "stopped")
	r.do(200, "PUT", bidPath(id), obj{"price": floor})
	r.pass(time.Hour)
	require.Equal(t, "exited", r.instance(id)["actual_status"], "a better bid alone starts nothing")
	require.Equal(t, true, r.set(id, "running")["success"])
	r.until(id, "running", time.Minute)
}

func TestBidsTakeTheGPUsOfEachOther(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.biddable()
	floor := num(offer, "min_bid")
	low := r.rent(offer["id"], obj{"price": floor})
	r.until(low, "running", 8*time.Minute)
	high := r.rent(offer["id"], obj{"price": floor + 0.05})
	r.until(high, "running", 8*time.Minute)
	require.Equal(t, "exited", r.instance(low)["actual_status"])

	require.Equal(t, false, r.set(low, "running")["success"], "it waits")
	r.do(200, "PUT", bidPath(low), obj{"price": nil})
	require.InDelta(t, floor+0.051, r.instance(low)["dph_base"], 1e-9)
	require.Equal(t, "running", r.instance(low)["intended_status"], "what waits starts when it wins")
	require.Equal(t, "exited", r.instance(high)["actual_status"])

	r.set(high, "running")
	r.do(200, "PUT", bidPath(low), obj{"price": floor})
	require.Equal(t, "running", r.instance(high)["intended_status"], "a bid that is lowered can lose to one that waits")
	require.Equal(t, "stopped", r.instance(low)["intended_status"])
}

func TestChangeBidRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.biddable()
	id := r.rent(offer["id"], obj{"price": offer["min_bid"]})
	onDemand := r.rent(r.cheap(nil)[9]["id"], nil)
	require.Equal(t, obj{"success": false, "error": "invalid_args", "msg": "Please set a bid price >= 0.001."},
		r.do(400, "PUT", bidPath(id), obj{"price": 0.0001}))
	require.Contains(t, r.do(400, "PUT", bidPath(id), obj{"price": 32*num(offer, "num_gpus") + 1})["msg"], "Please set a bid price <= ")
	require.Contains(t, r.do(400, "PUT", bidPath(onDemand), obj{"price": 1})["msg"], "is on demand")
	require.Equal(t, obj{"success": false, "error": "no_such_instance", "msg": "Instance with that ID does not exist."},
		r.do(404, "PUT", bidPath(1), obj{"price": 1}))
	require.Equal(t, "invalid_args", r.do(400, "PUT", "/api/v0/instances/bid_price/x/", obj{"price": 1})["error"])
	require.Equal(t, "invalid_request", r.do(400, "PUT", bidPath(id), obj{"price": "much"})["error"])
}
