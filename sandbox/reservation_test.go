package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func prepayPath(id int64) string  { return "/api/v0/instances/prepay/" + itoa(float64(id)) + "/" }
func depositPath(id int64) string { return "/api/v0/instances/balance/" + itoa(float64(id)) + "/" }

// discountable is a machine that gets cheaper when it is reserved.
func (r *rig) discountable() obj {
	r.t.Helper()
	return r.cheap(obj{"credit_discount_max": obj{"gte": 0.4}, "duration": obj{"gte": 5_000_000}})[0]
}

func TestPrepay(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1, Credit: 1000}
	r := newRig(t, o)
	offer := r.discountable()
	id := r.rent(offer["id"], nil)
	r.until(id, "running", 8*time.Minute)
	row := r.instance(id)
	require.Nil(t, row["credit_balance"])
	require.Equal(t, obj{"success": true, "refundable_deposit": 0.0, "total_discount": 0.0, "discount_months": 0.0},
		r.do(200, "GET", depositPath(id)+"?owner=me", nil))

	monthly := num(row, "dph_total") * 720
	before := r.credit()
	out := r.do(200, "PUT", prepayPath(id), obj{"amount": monthly})
	require.Equal(t, true, out["success"])
	require.InDelta(t, 1, out["timescale"], 0.001)
	require.InDelta(t, 0.2, out["discount_rate"], 0.001)
	require.InDelta(t, before-int64(monthly*1e6), r.credit(), 2, "the deposit is locked")

	row = r.instance(id)
	require.InDelta(t, monthly, row["credit_balance"], 1e-5)
	require.InDelta(t, 0.2, row["credit_discount"], 0.001)
	search := row["search"].(obj)
	require.InDelta(t, num(row, "dph_total")*0.8, search["discountedTotalPerHour"], 1e-3*num(row, "dph_total"))

	locked := r.credit()
	r.pass(10 * 24 * time.Hour)
	require.Equal(t, locked, r.open(o).credit(), "the deposit is spent first")
	hours := 240 * num(row, "dph_total")
	deposit := r.do(200, "GET", depositPath(id), nil)
	require.InDelta(t, hours*0.2, deposit["total_discount"], hours*0.001)
	require.EqualValues(t, 1, deposit["discount_months"])

	refund := int64(num(deposit, "refundable_deposit") * 1e6)
	require.Positive(t, refund)
	r.do(200, "DELETE", path(id), obj{})
	require.InDelta(t, locked+refund, r.credit(), 1)
	sum := int64(0)
	for _, e := range r.ledger() {
		sum += e.MicroDollars
	}
	require.Equal(t, 1_000_000_000-sum, r.credit(), "what was kept is in the ledger")
	require.Equal(t, r.credit(), r.open(o).credit())
	require.Equal(t, "no_such_instance", r.do(404, "GET", depositPath(id), nil)["error"])
}

// The discount ends in the moment in which the deposit does.
func TestDepositEnds(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1000})
	id := r.rent(r.discountable()["id"], nil)
	r.until(id, "running", 8*time.Minute)
	daily := num(r.instance(id), "dph_total") * 24
	r.do(200, "PUT", prepayPath(id), obj{"amount": daily * 2})
	cheaper := num(r.instance(id), "credit_discount")
	require.Positive(t, cheaper)
	out := r.do(200, "PUT", prepayPath(id), obj{"amount": daily * 20})
	require.Greater(t, num(out, "discount_rate"), cheaper, "more money, more discount")
	locked := r.credit()
	r.pass(20 * 24 * time.Hour)
	require.Equal(t, locked, r.credit())
	r.pass(20 * 24 * time.Hour)
	require.Less(t, r.credit(), locked)
	row := r.instance(id)
	require.EqualValues(t, 0, row["credit_balance"])
	require.EqualValues(t, 0, row["credit_discount"])
	var last sandbox.Entry
	for _, e := range r.ledger() {
		if e.Kind == "gpu" {
			last = e
		}
	}
	require.InDelta(t, num(row, "dph_base"), last.DollarsPerHour, 1e-9)
	require.EqualValues(t, 0, r.do(200, "GET", depositPath(id), nil)["refundable_deposit"])
}

// Who has only a deposit left goes on as long as that lasts.
func TestDepositOutlastsTheCredit(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 2})
	paid, other := r.rent(r.discountable()["id"], nil), r.rent(r.cheap(nil)[9]["id"], nil)
	r.until(paid, "running", 8*time.Minute)
	r.until(other, "running", 8*time.Minute)
	r.do(200, "PUT", prepayPath(paid), obj{"amount": float64(r.credit()-1000) / 1e6})
	r.pass(time.Hour)
	require.Equal(t, "exited", r.instance(other)["actual_status"])
	require.Equal(t, "running", r.instance(paid)["actual_status"])
	r.pass(1000 * time.Hour)
	require.Equal(t, "exited", r.instance(paid)["actual_status"])
	require.Negative(t, r.credit())
}

func TestPrepayRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.biddable()
	bid := r.rent(offer["id"], obj{"price": offer["min_bid"]})
	id := r.rent(r.cheap(nil)[9]["id"], nil)
	require.Equal(t, obj{"success": false, "msg": "No such instance"}, r.do(400, "PUT", prepayPath(1), obj{"amount": 1}))
	require.Equal(t, obj{"success": false, "msg": "Insufficient credit"}, r.do(411, "PUT", prepayPath(id), obj{"amount": 101}))
	for _, body := range []any{obj{}, obj{"amount": 0}, obj{"amount": -5}, obj{"amount": "x"}, "{"} {
		r.do(400, "PUT", prepayPath(id), body)
	}
	require.Contains(t, r.do(400, "PUT", prepayPath(bid), obj{"amount": 1})["msg"], "interruptible")
	require.Equal(t, "invalid_args", r.do(400, "GET", "/api/v0/instances/balance/x/", nil)["error"])
	require.EqualValues(t, 0, r.do(200, "GET", depositPath(id), nil)["refundable_deposit"])
}
