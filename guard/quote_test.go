package guard_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

func TestAQuoteSaysWhatItIs(t *testing.T) {
	r := newRig(t)
	p := r.create(400_000)
	p.Upfront = 50_000
	q := r.quoted(call("{}"), p)
	require.Equal(t, p, q.Plan)
	require.Equal(t, p.Most(), q.Most)
	require.Equal(t, "$9.65", q.Most.String(), "up-front and a day")
	require.Equal(t, epoch.Add(10*time.Minute), q.ExpiresAt)
	require.False(t, q.Ready)
	require.False(t, q.Quiet)
	require.False(t, q.Unwritten)
	require.Equal(t, []string{"quoted"}, r.kinds())
	require.Empty(t, r.open(), "nothing is about to be done")
}

// again is one more pricing of a call: what is different from the first.
type again struct {
	passed time.Duration
	mode   guard.Mode
	call   func(*guard.Call)
	plan   func(*guard.Plan)
}

// next prices the call once more, in the way of a.
func (a again) next(r *rig, c guard.Call, p guard.Plan) guard.Quote {
	r.clock.pass(a.passed)
	if a.call != nil {
		a.call(&c)
	}
	p.Nonce, p.Until = r.create(0).Nonce, r.clock.at.Add(p.Lease)
	if a.plan != nil {
		a.plan(&p)
	}
	if a.mode != "" {
		r = r.with(mode(a.mode))
	}
	return r.quoted(c, p)
}

func TestTheSameCallFindsItsQuote(t *testing.T) {
	for name, a := range map[string]again{
		"made again":                    {},
		"another nonce and another end": {plan: func(p *guard.Plan) { p.Nonce, p.Label, p.Until = "other", "other", epoch }},
		"just before it expires":        {passed: 10*time.Minute - time.Millisecond},
		"cheaper":                       {plan: func(p *guard.Plan) { p.Rate, p.Upfront, p.DiskRate = 1, 0, 0 }},
		"warned of something":           {plan: func(p *guard.Plan) { p.Warnings, p.Summary = []string{"the host's offer ends"}, "Rent it" }},
	} {
		for _, approve := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t)
				p := r.create(400_000)
				p.Upfront, p.DiskRate = 50_000, 20_000
				first := r.quoted(call("{}"), p)
				if approve {
					first = r.approved(call("{}"), p)
				}
				got := a.next(r, call("{}"), p)
				require.Equal(t, first.ID, got.ID)
				require.Equal(t, first.Code, got.Code)
				require.Equal(t, first.ExpiresAt, got.ExpiresAt)
				require.Equal(t, approve, got.Ready)
				require.Equal(t, first.Most, got.Most, "the price shown stays the one that was quoted")
				require.Equal(t, first.Plan.Rate, got.Plan.Rate)
			})
		}
	}
}

func TestAnotherPlanIsAnotherQuote(t *testing.T) {
	const retired, stands = journal.Superseded, journal.Approved
	for name, c := range map[string]struct {
		again again
		old   journal.QuoteState // what becomes of an approved one
	}{
		"dearer":                           {again{plan: func(p *guard.Plan) { p.Rate++ }}, retired},
		"dearer up front":                  {again{plan: func(p *guard.Plan) { p.Upfront++ }}, retired},
		"dearer once stopped":              {again{plan: func(p *guard.Plan) { p.DiskRate++ }}, retired},
		"cheaper, but dearer once stopped": {again{plan: func(p *guard.Plan) { p.Rate--; p.DiskRate++ }}, retired},
		"another binding":                  {again{plan: func(p *guard.Plan) { p.Binding = "another template" }}, retired},
		"a longer lease":                   {again{plan: func(p *guard.Plan) { p.Lease += time.Hour }}, retired},
		"a shorter lease":                  {again{plan: func(p *guard.Plan) { p.Lease -= time.Hour }}, retired},
		"another idleness":                 {again{plan: func(p *guard.Plan) { p.IdleMinutes = 30 }}, retired},
		"another kind":                     {again{plan: func(p *guard.Plan) { p.Kind = guard.KindStart }}, retired},
		"another effect":                   {again{plan: func(p *guard.Plan) { p.Effect = guard.Access }}, retired},
		"lasting":                          {again{plan: func(p *guard.Plan) { p.Lasting = true }}, retired},
		"another mode":                     {again{mode: guard.Operator}, retired},
		"another caller":                   {again{call: func(c *guard.Call) { c.Caller = "ann" }}, stands},
		"another tool":                     {again{call: func(c *guard.Call) { c.Tool = "start_instance" }}, stands},
		"other arguments":                  {again{call: func(c *guard.Call) { c.Args = []byte(`{"a":1}`) }}, stands},
		"after its expiry":                 {again{passed: 10 * time.Minute}, stands},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.create(400_000)
			first := r.approved(call("{}"), p)
			got := c.again.next(r, call("{}"), p)
			require.NotEqual(t, first.ID, got.ID)
			require.NotEqual(t, first.Code, got.Code)
			require.False(t, got.Ready, "a yes to one is no yes to the other")
			require.Equal(t, r.clock.at.Add(10*time.Minute), got.ExpiresAt)
			require.Equal(t, c.old, r.state(first))
			require.Equal(t, got.ID, c.again.stay().next(r, call("{}"), p).ID, "and it is the one that is found from now on")
		})
	}
}

// of is p as a has it.
func (a again) of(p guard.Plan) guard.Plan {
	a.plan(&p)
	return p
}

// stay is the same without more time passing.
func (a again) stay() again {
	a.passed = 0
	return a
}

func TestWhatBecameFreeOrPricedIsAnotherQuote(t *testing.T) {
	r := newRig(t)
	free := r.act(guard.Destroy)
	free.Free = true
	first := r.quoted(call("{}"), free)
	require.True(t, first.Ready)
	got := again{plan: func(p *guard.Plan) { p.Free = false }}.next(r, call("{}"), free)
	require.NotEqual(t, first.ID, got.ID)
	require.False(t, got.Ready)
}

func TestADearerPlanAfterAYesGoesBackToAsking(t *testing.T) {
	r := newRig(t)
	cheap := r.create(400_000)
	first := r.approved(call("{}"), cheap)
	dear := r.create(500_000)
	second := r.quoted(call("{}"), dear)
	_, err := r.Answer(t.Context(), first, guard.Answer{Yes: true})
	require.ErrorIs(t, err, guard.ErrNotWaiting, "the old one is void")
	back := r.quoted(call("{}"), cheap)
	require.Equal(t, second.ID, back.ID, "cheaper again: the newer quote covers it")
	require.False(t, back.Ready)
}

func TestADeniedPlanIsNotQuoted(t *testing.T) {
	r := newRig(t, limits(guard.Policy{MaxInstances: new(0)}))
	_, err := r.Quote(t.Context(), call("{}"), r.create(1))
	require.Equal(t, "max-instances", refusal(err))
	require.Empty(t, r.kinds())
	waiting, err := r.config.Journal.Waiting(t.Context())
	require.NoError(t, err)
	require.Empty(t, waiting)
}

func TestAnApprovedQuoteIsJudgedAgainWhenItIsFound(t *testing.T) {
	r := newRig(t, limits(guard.Policy{MaxInstances: new(1)}))
	r.approved(call("{}"), r.create(1))
	r.world.rentals = []guard.Rental{{Instance: 1, Running: true, Rate: 1}}
	_, err := r.Quote(t.Context(), call("{}"), r.create(1))
	require.Equal(t, "max-instances", refusal(err))
}

func TestAClockSetBackRevivesNoQuote(t *testing.T) {
	r := newRig(t)
	first := r.approved(call("{}"), r.create(1))
	r.clock.pass(10 * time.Minute)
	second := r.quoted(call("other"), r.create(1))
	r.clock.pass(-9 * time.Minute)
	require.NotEqual(t, first.ID, r.quoted(call("{}"), r.create(1)).ID)
	_, err := r.Answer(t.Context(), first, guard.Answer{Yes: true})
	require.ErrorIs(t, err, guard.ErrNotWaiting)
	require.Equal(t, second.ID, r.quoted(call("other"), r.create(1)).ID)
}

// While a clock that was set back catches up, all quotes are made at the same
// time: the newest must still be the one that is found.
func TestQuotesOfOneMomentAreInOrder(t *testing.T) {
	r := newRig(t)
	for range 20 {
		dearer := r.create(400_000)
		dearer.Rate += usd.Amount(*r.nonces)
		made := r.quoted(call("{}"), dearer)
		require.Equal(t, made.ID, r.quoted(call("{}"), dearer).ID)
	}
}

func TestWhatCannotBeReadIsNoQuote(t *testing.T) {
	lost := errors.New("lost")
	r := newRig(t)
	r.world.fails = lost
	for _, effect := range []guard.Effect{guard.Spend, guard.Destroy, guard.Access} {
		_, err := r.Quote(t.Context(), call("{}"), r.act(effect))
		require.ErrorIs(t, err, lost, "no realm, nothing to judge in")
	}
	_, err := r.Resume(t.Context(), call("{}"))
	require.ErrorIs(t, err, lost)

	r = newRig(t, func(c *guard.Config) { c.Key = func() ([]byte, error) { return nil, lost } })
	_, err = r.Quote(t.Context(), call("{}"), r.create(1))
	require.ErrorIs(t, err, lost)
	_, err = r.Resume(t.Context(), call("{}"))
	require.ErrorIs(t, err, lost)
}

func TestInModelTheNamedQuoteOfThisCallIsApproved(t *testing.T) {
	r := newRig(t, mode(guard.Model))
	first := r.quoted(call("{}"), r.create(2))
	require.False(t, first.Ready)
	named := call("{}")
	named.Named = first.ID
	got := r.quoted(named, r.create(1))
	require.True(t, got.Ready)
	require.Equal(t, first.ID, got.ID)
	require.Equal(t, []string{"quoted", "approved"}, r.kinds())
	require.True(t, r.quoted(named, r.create(1)).Ready, "and stays it")
	require.Equal(t, []string{"quoted", "approved"}, r.kinds())
}

func TestANamedQuoteThatNoLongerHoldsIsReplaced(t *testing.T) {
	for name, change := range map[string]func(*rig) guard.Plan{
		"dearer":  func(r *rig) guard.Plan { return r.create(3) },
		"expired": func(r *rig) guard.Plan { r.clock.pass(10 * time.Minute); return r.create(2) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mode(guard.Model))
			named := call("{}")
			named.Named = r.quoted(named, r.create(2)).ID
			got := r.quoted(named, change(r))
			require.NotEqual(t, named.Named, got.ID)
			require.False(t, got.Ready, "what was named is not what is quoted now")
		})
	}
}

func TestAForeignNameIsNotToldFromAnUnknownOne(t *testing.T) {
	r := newRig(t, mode(guard.Model))
	ann := call("{}")
	ann.Caller = "ann"
	old := r.quoted(call("dearer"), r.create(1))
	r.quoted(call("dearer"), r.create(2))
	var said []string
	for name, id := range map[string]string{
		"another call's":   r.quoted(call("other"), r.create(1)).ID,
		"another caller's": r.quoted(ann, r.create(1)).ID,
		"another realm's":  r.in(bob).quoted(call("{}"), r.create(1)).ID,
		"a retired one":    old.ID,
		"nobody's":         "q_00000000000000000000000000",
		"no id at all":     "yes",
	} {
		for _, mine := range []string{"{}", "asked before"} {
			if mine != "{}" {
				r.quoted(call(mine), r.create(1))
			}
			c := call(mine)
			c.Named = id
			_, err := r.Quote(t.Context(), c, r.create(1))
			require.ErrorIs(t, err, guard.ErrOtherCall, name)
			said = append(said, err.Error())
		}
	}
	for _, s := range said {
		require.Equal(t, said[0], s)
	}
}

func TestNamingCountsInModeModelOnly(t *testing.T) {
	for _, m := range []guard.Mode{guard.Client, guard.Operator} {
		r := newRig(t, mode(m))
		named := call("{}")
		named.Named = r.quoted(named, r.create(1)).ID
		_, err := r.Quote(t.Context(), named, r.create(1))
		require.ErrorIs(t, err, guard.ErrOtherCall, m)
		require.Equal(t, []string{"quoted"}, r.kinds())
	}
}
