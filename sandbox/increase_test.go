package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const pendingPath = "/api/v0/instances/pending-price-increases/"

// soonEnding are offers that end within days, so that hosts get to raise.
func (r *rig) soonEnding() []obj {
	r.t.Helper()
	return r.offers(obj{
		"rentable": obj{"eq": true}, "gpu_frac": obj{"eq": 1}, "disk_space": obj{"gte": 20}, "min_bid": obj{"gt": 0},
		"duration": obj{"gte": 3 * 86400, "lt": 10 * 86400}, "dph_total": obj{"lt": 0.5}, "order": []any{[]any{"duration", "asc"}},
	})
}

// raised rents until a host wants more, and returns his row.
func (r *rig) raised() obj {
	r.t.Helper()
	r.pass(time.Hour)
	for _, offer := range r.soonEnding()[:12] {
		r.rent(offer["id"], obj{"disk": 8})
	}
	for range 10 * 24 {
		out := r.do(200, "GET", pendingPath, nil)
		rows := out["pending_price_increases"].([]any)
		require.EqualValues(r.t, len(rows), out["count"])
		require.Equal(r.t, false, out["truncated"])
		if len(rows) > 0 {
			return rows[0].(obj)
		}
		r.pass(time.Hour)
	}
	require.Fail(r.t, "nobody raised")
	return nil
}

func TestAcceptPriceIncrease(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1e4})
	row := r.raised()
	id := int64(num(row, "contract_id"))
	before := r.instance(id)
	require.InDelta(t, num(before, "dph_base"), num(row, "old_gpu_costpersec")*3600, 1e-8)
	require.Greater(t, num(row, "new_gpu_costpersec"), num(row, "old_gpu_costpersec"))
	require.Equal(t, before["end_date"], row["contract_end_date"])
	require.Greater(t, num(row, "ask_end_date"), num(row, "contract_end_date"))
	require.Equal(t, before["host_id"], row["host_id"])
	require.LessOrEqual(t, num(row, "created_at"), float64(r.m.Now().Unix()))
	for _, key := range []string{"new_disk_ram_costpersec", "old_bwu_cost", "new_bwd_cost", "new_platform_fee"} {
		require.Contains(t, row, key)
	}

	pending := row["pending_price_increase_id"]
	accept := "/api/v0/instances/accept-price-increase/"
	require.Equal(t, obj{"success": true, "pending_price_increase_id": pending, "contract_id": float64(id)},
		r.do(200, "PUT", accept, obj{"pending_price_increase_id": pending}))
	after := r.instance(id)
	require.InDelta(t, num(row, "new_gpu_costpersec")*3600, after["dph_base"], 1e-8)
	require.Equal(t, row["ask_end_date"], after["end_date"])
	var last sandbox.Entry
	for _, e := range r.ledger() {
		if e.InstanceID == id && e.Kind == "gpu" {
			last = e
		}
	}
	require.InDelta(t, num(after, "dph_base"), last.DollarsPerHour, 1e-8, "it costs so from now on")
	require.Equal(t, r.m.Now(), last.Start)
	stale := r.do(404, "PUT", accept, obj{"pending_price_increase_id": pending})
	require.Equal(t, "no_pending_price_increase", stale["error"])
	r.pass(48 * time.Hour)
	require.Equal(t, "running", r.instance(id)["actual_status"], "the contract goes on")
	for _, body := range []any{obj{}, obj{"pending_price_increase_id": pending, "id": 1}, obj{"pending_price_increase_id": "x"}, "{"} {
		r.do(400, "PUT", accept, body)
	}
}

func TestRejectPriceIncrease(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1e4})
	row := r.raised()
	id := int64(num(row, "contract_id"))
	pending := obj{"pending_price_increase_id": row["pending_price_increase_id"]}
	price := r.instance(id)["dph_base"]
	r.do(200, "PUT", "/api/v0/instances/reject-price-increase/", pending)
	r.do(404, "PUT", "/api/v0/instances/reject-price-increase/", pending)
	require.Equal(t, price, r.instance(id)["dph_base"])
	r.pass(48 * time.Hour)
	require.Equal(t, "exited", r.instance(id)["actual_status"], "the contract ends when it was to")
}

// What nobody answers is void when the contract ends, and bids are not raised.
func TestPriceIncreasesLapse(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1e4})
	bid := r.soonEnding()[0]
	r.rent(bid["id"], obj{"disk": 8, "price": bid["min_bid"]})
	r.pass(5 * 24 * time.Hour)
	require.Empty(t, r.do(200, "GET", pendingPath, nil)["pending_price_increases"])
	r.raised()
	r.pass(20 * 24 * time.Hour)
	require.EqualValues(t, 0, r.do(200, "GET", pendingPath, nil)["count"])
}
