package sandbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/sandbox"
)

// owed prices entries by the seconds, apart from the market's arithmetic.
func owed(e sandbox.Entry, now time.Time) float64 {
	end := e.End
	if end.IsZero() {
		end = now
	}
	return e.DollarsPerHour * end.Sub(e.Start).Hours() * 1e6
}

func TestMeters(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.cheap(obj{"inet_down_cost": obj{"gt": 0}, "inet_up_cost": obj{"gt": 0}})[0]
	id := r.rent(offer["id"], obj{"disk": 36})
	created := r.m.Now()
	r.until(id, "running", 8*time.Minute)
	r.pass(2 * time.Hour)
	r.set(id, "stopped")
	r.until(id, "exited", time.Minute)
	r.pass(3 * time.Hour)
	r.do(200, "DELETE", path(id), obj{})
	gone := r.m.Now()
	r.pass(time.Hour)

	byKind, sum := map[string]sandbox.Entry{}, int64(0)
	for _, e := range r.ledger() {
		byKind[e.Kind] = e
		sum += e.MicroDollars
		require.Equal(t, id, e.InstanceID)
		require.InDelta(t, owed(e, r.m.Now()), e.MicroDollars, 0.51, e.Kind)
	}
	require.Len(t, byKind, 4)
	require.Equal(t, created, byKind["disk"].Start)
	require.Equal(t, gone, byKind["disk"].End)
	require.InDelta(t, num(offer, "storage_cost")*36/720, byKind["disk"].DollarsPerHour, 1e-9)
	require.InDelta(t, num(offer, "dph_base"), byKind["gpu"].DollarsPerHour, 1e-9)
	require.True(t, byKind["gpu"].Start.After(created))
	require.True(t, byKind["gpu"].End.Before(gone))
	require.Equal(t, 100_000_000-sum, r.credit())
	require.InDelta(t, float64(r.credit())/1e6, r.do(200, "GET", "/api/v0/users/current/", nil)["credit"], 1e-9)

	out := r.do(200, "GET", "/__sandbox/ledger", nil)
	require.EqualValues(t, r.credit(), out["credit_micro_dollars"])
	require.EqualValues(t, sum, out["total_micro_dollars"])
	require.Len(t, out["entries"], 4)
}

// The instance stops in the very nanosecond in which nothing is left.
func TestCreditRunsOut(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 0.5})
	a, b := r.up(3, nil), r.up(4, nil)
	r.pass(1000 * time.Hour)
	for _, id := range []int64{a, b} {
		require.Equal(t, []any{"stopped", "stopped", "stopped", "exited"}, words(r.instance(id)))
	}
	var stopped time.Time
	for _, e := range r.ledger() {
		if e.Kind == "gpu" {
			stopped = e.End
		}
	}
	spent, before := int64(0), int64(0)
	for _, e := range r.ledger() {
		e.End = stopped
		spent += int64(owed(e, stopped) + 0.5)
		before += int64(owed(e, stopped.Add(-time.Second)) - 0.5)
	}
	require.InDelta(t, 500_000, spent, 8)
	require.Less(t, before, int64(500_000))
	require.Negative(t, r.credit(), "disks go on costing")
	require.Equal(t, "insufficient_credit", r.do(400, "PUT", path(a), obj{"state": "running"})["error"])
	offer := itoa(r.cheap(nil)[8]["id"])
	require.Equal(t, "insufficient_credit", r.do(400, "PUT", "/api/v0/asks/"+offer+"/", obj{"image": "x"})["error"])
	require.Equal(t, true, r.do(200, "GET", "/api/v0/users/current/", nil)["is_subject_to_unpaid_deletion"])
}

func TestCreditEndsTheQueue(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 0.05})
	offer := r.cheap(nil)[3]["id"]
	first := r.rent(offer, nil)
	waiting := r.rent(offer, obj{"cancel_unavail": false})
	r.pass(100 * time.Hour)
	r.do(200, "DELETE", path(first), obj{})
	r.pass(time.Hour)
	require.Equal(t, "stopped", r.instance(waiting)["intended_status"])
}

// play does the same things at the same times, and looks in between as often
// as it is told to.
func (r *rig) play(offers []obj, steps []int, looks int) (string, int64) {
	r.t.Helper()
	var ids []int64
	for _, s := range steps {
		for range looks {
			r.pass(time.Duration(s) * time.Second / time.Duration(looks))
			r.do(200, "GET", "/api/v1/instances/", nil)
			r.m.Now()
		}
		offer := itoa(offers[3+s%2]["id"])
		switch {
		case s%5 == 0 || len(ids) == 0:
			_, text, err := r.send("PUT", "/api/v0/asks/"+offer+"/", obj{"image": "a", "cancel_unavail": s%2 == 0})
			require.NoError(r.t, err)
			var id int64
			if _, err := fmt.Sscanf(string(text), `{"success":true,"new_contract":%d`, &id); err == nil {
				ids = append(ids, id)
			}
		case s%5 == 4:
			r.send("DELETE", path(ids[s%len(ids)]), obj{})
		case s%5 == 3:
			r.send("PUT", fmt.Sprintf("/api/v0/instances/reboot/%d/", ids[s%len(ids)]), obj{})
		default:
			r.send("PUT", path(ids[s%len(ids)]), obj{"state": []string{"", "stopped", "running"}[s%5]})
		}
	}
	r.pass(time.Hour)
	_, list, err := r.send("GET", "/api/v1/instances/", nil)
	require.NoError(r.t, err)
	return fmt.Sprint(string(list), r.ledger()), r.credit()
}

func TestLookingChangesNothing(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1, Credit: 0.6}
	r := newRig(t, o)
	offers := r.cheap(nil)
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 4000), 1, 10).Draw(rt, "steps")
		for i := range steps {
			steps[i] *= 3 // so that three looks end where one does
		}
		r.empty(o)
		once, creditOnce := r.play(offers, steps, 1)
		r.empty(o)
		often, creditOften := r.play(offers, steps, 3)
		require.Equal(rt, once, often)
		require.Equal(rt, creditOnce, creditOften)
	})
}

// Whatever is done, the account has what it began with less the ledger.
func TestCreditIsTheLedger(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1}
	r := newRig(t, o)
	offers := r.cheap(nil)
	rapid.Check(t, func(rt *rapid.T) {
		r.empty(o)
		for i := range rapid.IntRange(1, 5).Draw(rt, "rentals") {
			id := r.rent(offers[3+i]["id"], nil)
			r.pass(time.Duration(rapid.Int64Range(0, int64(5*time.Hour)).Draw(rt, "after")))
			if rapid.Bool().Draw(rt, "destroy") {
				r.do(200, "DELETE", path(id), obj{})
			}
		}
		sum, now := int64(0), r.m.Now()
		for _, e := range r.ledger() {
			sum += e.MicroDollars
			require.InDelta(rt, owed(e, now), e.MicroDollars, 0.51)
		}
		require.Equal(rt, 100_000_000-sum, r.credit())
	})
}
