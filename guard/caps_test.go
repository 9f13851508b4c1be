package guard_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// machine is one instance as the ledger has it.
type machine struct {
	id      int64
	born    string // the nonce of the order that made it
	nonce   string // the one in its label now
	rate    usd.Amount
	running bool
	gone    bool
}

// held is a quote that somebody got and did not use yet.
type held struct {
	guard guard.Quote
	call  guard.Call
	plan  guard.Plan
	by    *rig
}

// market is an account whose list lags behind its ledger, two guards with the
// same limits on one journal, and all that was quoted and granted by them.
type market struct {
	*rig

	guards   []*rig
	policy   guard.Policy
	machines []*machine
	past     []sight
	quotes   []held
	grants   []*guard.Grant
	calls    int
}

// sight is what the ledger was at a time.
type sight struct {
	at   time.Time
	rows []guard.Rental
}

const worstLag = 15 * time.Second

func newMarket(t *testing.T, r *rapid.T) *market {
	t.Helper()
	here := drawn(t)
	j := journal.New("", here.clock.now)
	r.Cleanup(func() { require.NoError(r, j.Close()) })
	m := &market{rig: here.with(func(c *guard.Config) { c.Journal = j }), policy: guard.Policy{
		MaxTotalPerHour: new(usd.Amount(rapid.SampledFrom([]int64{5, 8, 100}).Draw(r, "total cap"))),
		MaxInstances:    new(rapid.IntRange(1, 4).Draw(r, "count cap")),
	}}
	for i, rate := range rapid.SliceOfN(rapid.Int64Range(1, 2), 0, 2).Draw(r, "foreign machines") {
		m.machines = append(m.machines, &machine{id: int64(i + 1), rate: usd.Amount(rate), running: true})
	}
	m.guards = []*rig{m.with(limits(m.policy)), m.with(limits(m.policy))}
	m.look()
	return m
}

// look keeps what the ledger is now, for lists that will tell it later.
func (m *market) look() {
	now := sight{at: m.clock.at}
	for _, one := range m.machines {
		if !one.gone {
			now.rows = append(now.rows, guard.Rental{Nonce: one.nonce, Instance: one.id, Running: one.running, Rate: one.rate})
		}
	}
	m.past = append(m.past, now)
}

// list makes the world show the ledger as it was some seconds ago.
func (m *market) list(r *rapid.T) {
	seen := m.clock.at.Add(-rapid.SampledFrom([]time.Duration{0, worstLag / 3, worstLag}).Draw(r, "lag"))
	at := 0
	for i, s := range m.past {
		if !s.at.After(seen) {
			at = i
		}
	}
	m.world.rentals = m.past[at].rows
}

func (m *market) pass(r *rapid.T) {
	m.clock.pass(rapid.SampledFrom([]time.Duration{time.Second, 6 * time.Second, 10 * time.Second, 61 * time.Second}).Draw(r, "passes"))
}

// quote prices a rental, or the start of a machine that stands still.
func (m *market) quote(r *rapid.T) {
	m.list(r)
	by := pick(r, m.guards)
	plan := m.create(usd.Amount(rapid.Int64Range(1, 4).Draw(r, "rate")))
	stopped := slices.DeleteFunc(slices.Clone(m.machines), func(one *machine) bool { return one.running || one.gone })
	if len(stopped) > 0 && rapid.Bool().Draw(r, "start") {
		one := pick(r, stopped)
		plan.Kind, plan.Instance, plan.Rate = guard.KindStart, one.id, one.rate
	}
	m.calls++
	c := call(fmt.Sprint(m.calls))
	q, err := by.Quote(m.t.Context(), c, plan)
	for _, news := errors.AsType[*guard.Untold](err); news; _, news = errors.AsType[*guard.Untold](err) {
		q, err = by.Quote(m.t.Context(), c, plan) // each order that this caller lost is said once
	}
	if err != nil {
		require.NotEmpty(r, refusal(err), "%v", err)
		return
	}
	if rapid.IntRange(0, 9).Draw(r, "approve") > 0 {
		q, err = by.Answer(m.t.Context(), q, guard.Answer{Yes: true})
		require.NoError(r, err)
	}
	m.quotes = append(m.quotes, held{q, c, plan, by})
}

// redeem uses a quote, whose list may be older than what was done since.
func (m *market) redeem(r *rapid.T) {
	m.list(r)
	h := pick(r, m.quotes)
	h.plan.Nonce = m.create(0).Nonce
	g, err := h.by.Redeem(m.t.Context(), h.call, h.guard, h.plan)
	if err != nil {
		return
	}
	m.grants = append(m.grants, g)
	running, rate := m.truth()
	require.LessOrEqual(r, running, *m.policy.MaxInstances, "the count cap, at an admission")
	require.LessOrEqual(r, rate, *m.policy.MaxTotalPerHour, "the total cap, at an admission")
	if rapid.IntRange(0, 3).Draw(r, "at once") > 0 {
		m.order(r, g)
	}
}

// truth is what runs by the ledger, and what may yet run by the intents that
// count: what the caps are about, whatever a list says.
func (m *market) truth() (running int, rate usd.Amount) {
	counted := map[string]bool{}
	add := func(key string, a usd.Amount) {
		if !counted[key] {
			counted[key] = true
			running, rate = running+1, rate.Add(a)
		}
	}
	for _, one := range m.machines {
		if one.running {
			add(fmt.Sprint(one.id), one.rate)
		}
	}
	for _, in := range m.open() {
		switch {
		case in.Kind == guard.KindCreate && m.find(in) == nil:
			add(in.Nonce, in.Rate)
		case in.Kind == guard.KindStart && in.State != journal.Rented:
			add(fmt.Sprint(in.Instance), in.Rate)
		}
	}
	return running, rate
}

// find is the machine that an intent made or would start, if there ever was one.
func (m *market) find(in journal.Intent) *machine {
	i := slices.IndexFunc(m.machines, func(one *machine) bool {
		return one.born == in.Nonce || in.Kind == guard.KindStart && one.id == in.Instance
	})
	if i < 0 {
		return nil
	}
	return m.machines[i]
}

// order sends what was granted. The answer may be lost, whatever it was.
func (m *market) order(r *rapid.T, g *guard.Grant) {
	if g.Move(m.t.Context(), journal.Sent, nil, journal.Prepared) != nil {
		return
	}
	fate := rapid.SampledFrom([]string{"done", "done", "lost", "refused"}).Draw(r, "fate")
	if fate == "refused" {
		require.NoError(r, g.GiveBack(m.t.Context(), "refused", journal.Sent))
		return
	}
	in := g.Intent()
	one := m.find(in)
	switch {
	case fate == "lost" || one != nil && one.gone:
	case one != nil:
		one.running, one.nonce = true, in.Nonce
	case in.Kind == guard.KindCreate:
		m.machines = append(m.machines, &machine{id: int64(100 + len(m.past)), born: in.Nonce, nonce: in.Nonce, rate: in.Rate, running: true})
	}
	require.NoError(r, g.Move(m.t.Context(), journal.Unknown, func(in *journal.Intent) {
		if in.Kind == guard.KindCreate && len(m.machines) > 0 {
			in.Instance = pick(r, m.machines).id // out of an error: anybody's
		}
	}, journal.Sent))
	if rapid.Bool().Draw(r, "settled") {
		m.settle(r, g)
	}
}

// settle finds out what came of an order.
func (m *market) settle(_ *rapid.T, g *guard.Grant) {
	one := m.find(g.Intent())
	to, change := journal.Closed, func(*journal.Intent) {}
	if one != nil && one.nonce == g.Intent().Nonce && one.running {
		to, change = journal.Rented, func(in *journal.Intent) { in.Instance = one.id }
	}
	_ = g.Move(m.t.Context(), to, change, journal.Unknown)
}

// later is what is done to some grant, at some time.
func (m *market) later(do func(*rapid.T, *guard.Grant)) func(*rapid.T) {
	return func(r *rapid.T) { do(r, pick(r, m.grants)) }
}

// end stops or destroys a machine.
func (m *market) end(r *rapid.T) {
	one := pick(r, m.machines)
	one.running, one.gone = false, one.gone || rapid.Bool().Draw(r, "destroy")
}

// pick is one of all, or nothing to do.
func pick[T any](r *rapid.T, all []T) T {
	if len(all) == 0 {
		r.Skip("there is none")
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(r, "which")]
}

func TestNoScheduleAdmitsMoreThanTheCaps(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := newMarket(t, r)
		r.Repeat(map[string]func(*rapid.T){
			"pass": m.pass, "quote": m.quote, "quote another": m.quote, "redeem": m.redeem, "redeem another": m.redeem,
			"order": m.later(m.order), "settle": m.later(m.settle), "end": m.end, "": func(*rapid.T) { m.look() },
		})
	})
}
