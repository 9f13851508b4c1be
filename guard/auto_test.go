package guard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

func TestAutoApprovesWithinTheLimits(t *testing.T) {
	r := newRig(t, mode(guard.Auto), limits(guard.Policy{MaxInstances: new(1)}))
	for _, effect := range []guard.Effect{guard.Access, guard.Destroy, guard.Spend} {
		c := call(string(effect))
		q := r.quoted(c, r.act(effect))
		require.True(t, q.Ready, effect)
		require.Equal(t, journal.Approved, r.state(q))
		require.JSONEq(t, `{"via":"auto: within the owner's limits","took_ms":0}`, r.data("approved"))
		_, err := r.Redeem(t.Context(), c, q, r.act(effect))
		require.NoError(t, err)
	}
	r.granted(call("first"), r.create(1))
	_, err := r.Quote(t.Context(), call("second"), r.create(1))
	require.Equal(t, "max-instances", refusal(err), "the same limits hold")
}

func TestAutoDoesNotGoOverANo(t *testing.T) {
	r := newRig(t, mode(guard.Auto))
	require.NoError(t, r.outOfBand(r.quoted(call("{}"), r.create(1)), false))
	q := r.quoted(call("{}"), r.create(1))
	require.True(t, q.Quiet)
	require.False(t, q.Ready)
	require.False(t, q.Asks)
	r.clock.pass(10 * time.Minute)
	require.True(t, r.quoted(call("{}"), r.create(1)).Ready)
}

func TestAutoTakesNoNameForAYes(t *testing.T) {
	r := newRig(t, mode(guard.Auto))
	named := call("{}")
	named.Named = r.quoted(call("{}"), r.ending(guard.Target{Instance: 7})).ID
	_, err := r.Quote(t.Context(), named, r.ending(guard.Target{Instance: 7}))
	require.ErrorIs(t, err, guard.ErrOtherCall)
}

// ending is a plan to stop what it names, free for its caller's own.
func (r *rig) ending(targets ...guard.Target) guard.Plan {
	p := r.act(guard.Destroy)
	p.Targets, p.Free = targets, true
	return p
}

// rentedBy writes down that the caller rented the instance.
func (r *rig) rentedBy(caller string, instance int64) {
	r.t.Helper()
	r.clock.pass(time.Second)
	p := r.create(1)
	g := r.granted(guard.Call{Caller: caller, Tool: "create_instance", Args: []byte(p.Nonce)}, p)
	require.NoError(r.t, g.Rented(r.t.Context(), instance, journal.Prepared))
}

// TestWhoseItIs: only the caller's own ends unasked, in whatever mode.
func TestWhoseItIs(t *testing.T) {
	for _, c := range []struct {
		name    string
		targets []guard.Target
		own     bool
		warned  []string
	}{
		{"the caller rented it", []guard.Target{{Instance: 1, Ours: true}}, true, nil},
		{"nobody knows who rented it, but its label is ours", []guard.Target{{Instance: 3, Ours: true}}, true, nil},
		{"somebody else rented it", []guard.Target{{Instance: 2, Ours: true}}, false, []string{"instance 2 was rented by another caller"}},
		{"it was made by hand", []guard.Target{{Instance: 4}}, false, []string{"instance 4 was not rented by this program"}},
		{"the caller rented it, and somebody took the label off", []guard.Target{{Instance: 1}}, false, []string{"instance 1 was not rented by this program"}},
		{"one of several is another's", []guard.Target{{Instance: 1, Ours: true}, {Instance: 2, Ours: true}}, false, []string{"instance 2 was rented by another caller"}},
	} {
		for _, m := range []guard.Mode{guard.Client, guard.Operator, guard.Model, guard.Auto} {
			t.Run(c.name+" "+string(m), func(t *testing.T) {
				r := newRig(t)
				r.rentedBy("local", 1)
				r.rentedBy("ann", 2)
				r.rentedBy("bob", 1)
				r.rentedBy("local", 1)
				r = r.with(mode(m))
				stop := r.ending(c.targets...)
				given := append([]guard.Target{}, stop.Targets...)
				q := r.quoted(call("stop"), stop)
				require.Equal(t, c.own, q.Ready)
				require.Equal(t, c.warned, q.Plan.Warnings)
				require.Equal(t, c.own, q.Plan.Free)
				require.Equal(t, given, stop.Targets, "the plan that was given is not written to")
				require.Equal(t, m == guard.Client || m == guard.Auto, q.Asks)
				q.Ready = true // whatever the quote says
				_, err := r.Redeem(t.Context(), call("stop"), q, stop)
				require.Equal(t, c.own, err == nil, "%v", err)

				destroy := stop
				destroy.Free = false
				require.Equal(t, c.own && m == guard.Auto, r.quoted(call("destroy"), destroy).Ready)
			})
		}
	}
}

// TestWhatBecameAnothersIsAskedAbout: between the quote and the end of it.
func TestWhatBecameAnothersIsAskedAbout(t *testing.T) {
	r := newRig(t, mode(guard.Auto))
	destroy := r.ending(guard.Target{Instance: 1, Ours: true})
	destroy.Free = false
	for name, p := range map[string]guard.Plan{"stop": r.ending(guard.Target{Instance: 1, Ours: true}), "destroy": destroy} {
		q := r.quoted(call(name), p)
		require.True(t, q.Ready)
		r.with(mode(guard.Client)).rentedBy("ann", 1)
		_, err := r.Redeem(t.Context(), call(name), q, p)
		require.ErrorIs(t, err, guard.ErrNotWaiting)
		require.False(t, r.quoted(call(name), p).Ready)
		r.with(mode(guard.Client)).rentedBy("local", 1)
	}
}
