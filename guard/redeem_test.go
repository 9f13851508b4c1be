package guard_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

func TestRedeemWritesTheIntent(t *testing.T) {
	r := newRig(t)
	q := r.approved(call("{}"), r.create(400_000))
	r.clock.pass(time.Second)
	p := r.create(300_000) // priced again, and cheaper
	g, err := r.Redeem(t.Context(), call("{}"), q, p)
	require.NoError(t, err)
	require.Equal(t, p, g.Plan())
	require.False(t, g.Resumed())
	require.Equal(t, journal.Prepared, g.Intent().State)
	require.Equal(t, journal.Redeemed, r.state(q))
	require.Equal(t, []journal.Intent{{
		Nonce: p.Nonce, Quote: q.ID, Caller: "local", Tool: "create_instance", Kind: guard.KindCreate, State: journal.Prepared,
		Offer: 41, Rate: 300_000, Label: "mine", Began: p.Until.Add(-p.Lease), Until: p.Until, OnExpiry: "stop",
		CreatedAt: r.clock.at, UpdatedAt: r.clock.at,
	}}, r.open())
	require.Equal(t, []string{"quoted", "approved", "redeemed"}, r.kinds())
}

func TestWhatCannotBeRedeemed(t *testing.T) {
	for name, c := range map[string]func(*rig) (guard.Quote, guard.Plan){
		"not approved": func(r *rig) (guard.Quote, guard.Plan) {
			return r.quoted(call("{}"), r.create(1)), r.create(1)
		},
		"not approved, whatever the quote says": func(r *rig) (guard.Quote, guard.Plan) {
			q := r.quoted(call("{}"), r.create(1))
			q.Ready = true
			return q, r.create(1)
		},
		"expired": func(r *rig) (guard.Quote, guard.Plan) {
			q := r.approved(call("{}"), r.create(1))
			r.clock.pass(10 * time.Minute)
			return q, r.create(1)
		},
		"expired, and the clock set back": func(r *rig) (guard.Quote, guard.Plan) {
			q := r.approved(call("{}"), r.create(1))
			r.clock.pass(10 * time.Minute)
			r.quoted(call("other"), r.create(1))
			r.clock.pass(-5 * time.Minute)
			return q, r.create(1)
		},
		"declined after a yes": func(r *rig) (guard.Quote, guard.Plan) {
			q := r.approved(call("{}"), r.create(1))
			require.NoError(r.t, r.outOfBand(q, false))
			return q, r.create(1)
		},
		"retired": func(r *rig) (guard.Quote, guard.Plan) {
			q := r.approved(call("{}"), r.create(1))
			r.quoted(call("{}"), r.create(2))
			return q, r.create(1)
		},
		"dearer by now": func(r *rig) (guard.Quote, guard.Plan) {
			return r.approved(call("{}"), r.create(1)), r.create(2)
		},
		"bound to something else by now": func(r *rig) (guard.Quote, guard.Plan) {
			p := r.create(1)
			p.Binding = "another template"
			return r.approved(call("{}"), r.create(1)), p
		},
		"free by now": func(r *rig) (guard.Quote, guard.Plan) {
			p := r.create(1)
			p.Free = true
			return r.approved(call("{}"), r.create(1)), p
		},
		"made up": func(r *rig) (guard.Quote, guard.Plan) {
			q := r.approved(call("{}"), r.create(1))
			return guard.Quote{ID: q.ID, Ready: true}, r.create(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			q, p := c(r)
			g, err := r.Redeem(t.Context(), call("{}"), q, p)
			require.True(t, errors.Is(err, guard.ErrNotWaiting) || errors.Is(err, journal.ErrMoved), "%v", err)
			require.Nil(t, g)
			require.Empty(t, r.open())
			require.NotContains(t, r.kinds(), "redeemed")
		})
	}
}

func TestFreePlansNeedNoApproval(t *testing.T) {
	for _, effect := range []guard.Effect{guard.Destroy, guard.Access, guard.Spend} {
		for _, m := range []guard.Mode{guard.Client, guard.Operator, guard.Model} {
			r := newRig(t, mode(m))
			p := r.act(effect)
			p.Free = true
			q := r.quoted(call("{}"), p)
			require.True(t, q.Ready)
			g, err := r.Redeem(t.Context(), call("{}"), q, p)
			require.NoError(t, err)
			require.NoError(t, g.Finish(t.Context()))
			require.Equal(t, []string{"quoted", "redeemed", "done"}, r.kinds())
		}
	}
}

func TestOneOfManyRedeemers(t *testing.T) {
	path, r := file(t), newRig(t)
	rigs := []*rig{r.with(onFile(r, path)), r.with(onFile(r, path))}
	q := rigs[0].approved(call("{}"), r.create(1))
	const each = 4
	var group sync.WaitGroup
	grants, errs := make([]*guard.Grant, len(rigs)*each), make([]error, len(rigs)*each)
	begin := make(chan struct{})
	for i := range grants {
		mine, plan := rigs[i%len(rigs)], r.create(1)
		quote := mine.quoted(call("{}"), plan)
		require.Equal(t, q.ID, quote.ID)
		group.Go(func() {
			<-begin
			grants[i], errs[i] = mine.Redeem(t.Context(), call("{}"), quote, plan)
		})
	}
	close(begin)
	group.Wait()
	first := 0
	for i, g := range grants {
		require.NoError(t, errs[i])
		require.Equal(t, grants[0].Intent().Nonce, g.Intent().Nonce, "one intent, and equal answers")
		if !g.Resumed() {
			first++
		}
	}
	require.Equal(t, 1, first, "the others carry on with what the first was granted")
	for _, mine := range rigs {
		require.Len(t, mine.open(), 1)
	}
}

func TestQuotesApprovedSideBySideDoNotPassALimitTogether(t *testing.T) {
	for limit, policy := range map[string]guard.Policy{
		"max-instances":              {MaxInstances: new(1)},
		"max-total-dollars-per-hour": {MaxTotalPerHour: new(usd.Amount(700_000))},
	} {
		t.Run(limit, func(t *testing.T) {
			path, r := file(t), newRig(t)
			a := r.with(onFile(r, path), limits(policy))
			b := r.with(onFile(r, path), limits(policy))
			plan := r.create(400_000)
			first, second := a.approved(call("a"), plan), b.approved(call("b"), plan)

			g, err := a.Redeem(t.Context(), call("a"), first, r.create(400_000))
			require.NoError(t, err)
			denied := func(why string) {
				t.Helper()
				got, err := b.Redeem(t.Context(), call("b"), second, r.create(400_000))
				require.Equal(t, limit, refusal(err), why)
				require.Nil(t, got)
				require.Equal(t, journal.Approved, b.state(second), "the yes stands")
			}
			denied("by an intent that is not on any list")
			require.NoError(t, g.Move(t.Context(), journal.Sent, nil, journal.Prepared))
			require.NoError(t, g.Move(t.Context(), journal.Unknown, nil, journal.Sent))
			denied("by an intent that nobody knows the end of")
			require.NoError(t, g.Move(t.Context(), journal.Closed, nil, journal.Unknown))
			_, err = b.Redeem(t.Context(), call("b"), second, r.create(400_000))
			require.NoError(t, err, "there is room again")
		})
	}
}

func TestAListThatIsTooOldIsReadAgain(t *testing.T) {
	for _, c := range []struct {
		age   time.Duration
		reads int
	}{{0, 0}, {10 * time.Second, 0}, {10*time.Second + 1, 1}, {5 * time.Minute, 1}} {
		r := newRig(t, limits(guard.Policy{MaxInstances: new(1)}))
		q := r.approved(call("{}"), r.create(1))
		r.clock.pass(c.age)
		r.world.rentals = []guard.Rental{{Instance: 1, Running: true, Rate: 1}}
		before := r.world.reads
		_, err := r.Redeem(t.Context(), call("{}"), q, r.create(1))
		require.Equal(t, c.reads, r.world.reads-before)
		require.Equal(t, c.reads == 1, refusal(err) == "max-instances", "%v", err)
	}
}

func TestAListThatCannotBeReadAgainRedeemsNothing(t *testing.T) {
	r := newRig(t)
	q := r.approved(call("{}"), r.create(1))
	r.clock.pass(time.Minute)
	r.world.blind = errors.New("the list is incomplete")
	g, err := r.Redeem(t.Context(), call("{}"), q, r.create(1))
	require.ErrorIs(t, err, r.world.blind)
	require.Nil(t, g)
	require.Empty(t, r.open())
}

func TestWhatAStartBroughtUpCountsBeforeTheListSaysSo(t *testing.T) {
	r := newRig(t, limits(guard.Policy{MaxInstances: new(1)}))
	r.world.rentals = []guard.Rental{{Instance: 7}} // and so it stays for a while
	start := r.create(1)
	start.Kind, start.Instance = guard.KindStart, 7
	other := r.approved(call("other"), r.create(1))
	g := r.granted(call("start"), start)
	require.NoError(t, g.Move(t.Context(), journal.Rented, nil, journal.Prepared))
	r.clock.pass(5 * time.Second)
	_, err := r.Redeem(t.Context(), call("other"), other, r.create(1))
	require.Equal(t, "max-instances", refusal(err))
}

func TestAQuoteIsOfOneRealm(t *testing.T) {
	r := newRig(t)
	q := r.approved(call("{}"), r.create(1))
	elsewhere := r.in(bob)
	got := elsewhere.quoted(call("{}"), r.create(1))
	require.NotEqual(t, q.ID, got.ID, "the same call in another realm is another quote")
	require.False(t, got.Ready)

	got.ID, got.Ready = q.ID, true
	g, err := elsewhere.Redeem(t.Context(), call("{}"), got, r.create(1))
	require.ErrorIs(t, err, guard.ErrNotWaiting)
	require.Nil(t, g)
	_, err = elsewhere.Answer(t.Context(), got, guard.Answer{Yes: true})
	require.ErrorIs(t, err, guard.ErrNotWaiting)

	mine, err := r.Redeem(t.Context(), call("{}"), q, r.create(1))
	require.NoError(t, err)
	require.Equal(t, q.ID, mine.Intent().Quote)
	none, err := elsewhere.Resume(t.Context(), call("{}"))
	require.NoError(t, err)
	require.Nil(t, none)
	elsewhere.requireLoad(r.create(1), 0, "$0.00")
}
