package guard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

// route is a way to say yes to q, a quote for c; it reports whether the call
// could go ahead under that very quote then.
type route func(r *rig, c guard.Call, p guard.Plan, q guard.Quote) bool

// routes are all there are without a passphrase, by the mode that they need.
func routes() map[guard.Mode]map[string]route {
	command := func(r *rig, c guard.Call, p guard.Plan, q guard.Quote) bool {
		return r.outOfBand(q, true) == nil && r.ready(c, p, q)
	}
	client := func(r *rig, c guard.Call, p guard.Plan, q guard.Quote) bool {
		_, err := r.Answer(r.t.Context(), q, guard.Answer{Yes: true, Via: guard.ViaClient, Took: time.Second})
		return q.Asks && err == nil && r.ready(c, p, q)
	}
	named := func(r *rig, c guard.Call, p guard.Plan, q guard.Quote) bool {
		c.Named = q.ID
		return r.ready(c, p, q)
	}
	return map[guard.Mode]map[string]route{
		guard.Client:   {"command": command, "client": client},
		guard.Operator: {"command": command},
		guard.Model:    {"command": command, "named": named},
		guard.Auto:     {"command": command, "client": client},
	}
}

// ready reports whether the call goes ahead under q now.
func (r *rig) ready(c guard.Call, p guard.Plan, q guard.Quote) bool {
	r.t.Helper()
	got, err := r.Quote(r.t.Context(), c, p)
	return err == nil && got.ID == q.ID && got.Ready
}

// TestASlowNoIsFinal: after it no route approves that quote, and the tool asks
// nobody for ten minutes; but ending something may be asked about again and be
// approved by every route that the rental could.
func TestASlowNoIsFinal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := rapid.SampledFrom([]guard.Mode{guard.Client, guard.Operator, guard.Model, guard.Auto}).Draw(rt, "mode")
		r := drawn(t, mode(m))
		rent, end := r.create(1), r.ending(guard.Target{Instance: 7}) // not ours, so that auto asks too
		c := call(rapid.SampledFrom([]string{"{}", "other"}).Draw(rt, "arguments"))
		destroys := rapid.Bool().Draw(rt, "destroys")
		p := rent
		if destroys {
			c.Tool, p = "destroy_instance", end
		}
		q := r.quoted(c, p)
		if rapid.Bool().Draw(rt, "approved before") && !q.Ready {
			require.NoError(rt, r.outOfBand(q, true))
		}
		no := guard.Answer{Via: guard.ViaClient, Took: time.Duration(rapid.Int64Range(int64(400*time.Millisecond), int64(time.Hour)).Draw(rt, "took"))}
		if rapid.Bool().Draw(rt, "by the command") {
			require.NoError(rt, r.outOfBand(q, false))
		} else {
			_, err := r.Answer(t.Context(), q, no)
			require.NoError(rt, err)
		}
		since := time.Duration(rapid.Int64Range(0, int64(10*time.Minute-1)).Draw(rt, "later"))
		r.clock.pass(since.Truncate(time.Millisecond))
		for name, yes := range routes()[m] {
			require.False(rt, yes(r, c, p, q), "%s approves what was declined", name)
			require.Equal(rt, journal.Declined, r.state(q))
		}
		fresh := r.quoted(c, p)
		require.Equal(rt, !destroys, fresh.Quiet)
		require.Equal(rt, destroys && (m == guard.Client || m == guard.Auto), fresh.Asks)
		require.False(rt, fresh.Ready)
	})
}

func TestDestroyingCanBeApprovedByEveryRouteThatRentingCan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := rapid.SampledFrom([]guard.Mode{guard.Client, guard.Operator, guard.Model}).Draw(rt, "mode")
		r := drawn(t, mode(m))
		end := r.ending(guard.Target{Instance: 7, Ours: rapid.Bool().Draw(rt, "ours")})
		end.Free = false
		for range rapid.IntRange(0, 3).Draw(rt, "declined before") {
			q := r.quoted(call("end"), end)
			_, err := r.Answer(t.Context(), q, guard.Answer{Took: time.Minute})
			require.NoError(rt, err)
		}
		for name, yes := range routes()[m] {
			rents := drawn(t, mode(m))
			rental := rents.create(1)
			works := yes(rents, call("rent"), rental, rents.quoted(call("rent"), rental))
			require.True(rt, works, name)
			require.True(rt, yes(r, call("end"+name), end, r.quoted(call("end"+name), end)), name)
			require.True(rt, yes(r, call("end"), end, r.quoted(call("end"), end)), "%s, after a no", name)
			_, err := r.Answer(t.Context(), r.quoted(call("end"), end), guard.Answer{Took: time.Minute})
			require.NoError(rt, err)
		}
	})
}
