package guard_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// box is one machine as the ledger has it.
type box struct {
	guard.Rental

	ours, gone bool
	made       string // the nonce of the order that made it
	edited     bool   // its label was tidied in the console
	since      time.Time
	paid       []segment
}

// segment is a time at a rate.
type segment struct {
	from, to time.Time
	rate     usd.Amount
}

// cost is what the segment comes to within a time, rounded down: no bill is
// larger than what was used.
func (s segment) cost(from, to time.Time) usd.Amount {
	from, to = latest(from, s.from), earliest(to, s.to)
	if !from.Before(to) {
		return 0
	}
	n := new(big.Int).Mul(big.NewInt(int64(s.rate)), big.NewInt(int64(to.Sub(from))))
	return usd.Amount(n.Div(n, big.NewInt(int64(time.Hour))).Int64())
}

func latest(a, b time.Time) time.Time   { return map[bool]time.Time{true: a, false: b}[a.After(b)] }
func earliest(a, b time.Time) time.Time { return map[bool]time.Time{true: a, false: b}[a.Before(b)] }

// ledger is an account over some days: its machines, two processes that rent on
// it, and an API whose clock, list and charges are what they are.
type ledger struct {
	*rig

	guards []*rig
	policy guard.Policy
	skew   time.Duration // of the API's clock
	credit usd.Amount    // before anything was rented
	boxes  []*box
	past   []view
	quotes []held
	grants []*guard.Grant
	calls  int
	shown  guard.Exposure
}

// view is the list as it was at a time.
type view struct {
	at   time.Time
	rows []guard.Rental
}

// The ledger is the world of its guards.
func (l *ledger) Realm(context.Context) (string, error) { return alice, nil }

func (l *ledger) Exposure(_ context.Context, need guard.Need) (guard.Exposure, error) {
	l.look()
	e := l.shown
	if !need.Credit {
		e.Credit = nil
	}
	if !need.Charges {
		e.Charges = nil
	}
	return e, nil
}

func newLedger(t *testing.T, r *rapid.T) *ledger {
	t.Helper()
	l := &ledger{rig: newRig(t), skew: rapid.SampledFrom([]time.Duration{0, 14 * time.Hour, -14 * time.Hour}).Draw(r, "skew"), credit: 60 * usd.Dollar}
	j := journal.New("", l.clock.now)
	r.Cleanup(func() { require.NoError(r, j.Close()) })
	l.policy = guard.Policy{DailyBudget: new(usd.Amount(rapid.SampledFrom([]int64{3, 9, 30}).Draw(r, "budget")) * usd.Dollar)}
	if rapid.Bool().Draw(r, "keeps credit") {
		l.policy.KeepCredit = new(40 * usd.Dollar)
	}
	l.rig = l.with(func(c *guard.Config) { c.Journal, c.World = j, l })
	l.guards = []*rig{l.with(limits(l.policy)), l.with(limits(l.policy))}
	if rapid.Bool().Draw(r, "foreign") {
		l.boxes = append(l.boxes, &box{Rental: guard.Rental{Instance: 1, Running: true, Rate: 5 * usd.Dollar}, since: l.now()})
	}
	l.remember()
	return l
}

// now is the API's clock.
func (l *ledger) now() time.Time { return l.clock.at.Add(l.skew) }

// change ends the segment that a machine is in, and begins the next.
func (l *ledger) change(b *box, to func()) {
	rate := b.DiskRate
	if b.Running {
		rate = b.Rate
	}
	b.paid = append(b.paid, segment{b.since, l.now(), rate})
	to()
	b.since = l.now()
	if b.gone {
		b.Running, b.Rate, b.DiskRate = false, 0, 0
	}
}

func (l *ledger) remember() {
	now := view{at: l.clock.at}
	for _, b := range l.boxes {
		if row := b.Rental; !b.gone {
			if b.edited {
				row.Nonce, row.Until, row.OnExpiry = "", time.Time{}, ""
			}
			now.rows = append(now.rows, row)
		}
	}
	l.past = append(l.past, now)
}

// pass lets time pass, and leases end when they should.
func (l *ledger) pass(d time.Duration) {
	for end := l.clock.at.Add(d); ; {
		next := end
		for _, b := range l.boxes {
			if at := b.Until.Add(-l.skew); b.ends() && at.Before(next) {
				next = latest(at, l.clock.at)
			}
		}
		l.clock.at = next
		for _, b := range l.boxes {
			if b.ends() && !l.now().Before(b.Until) {
				l.change(b, func() { b.Running, b.gone = false, b.OnExpiry == "destroy" })
			}
		}
		l.remember()
		if !l.clock.at.Before(end) {
			return
		}
	}
}

// ends reports whether the end of its lease does something to the machine.
func (b *box) ends() bool { return b.ours && !b.gone && (b.Running || b.OnExpiry == "destroy") }

// list decides what the API shows from now on: a list that lags, and charges
// that lag more, are rounded, or are missing.
func (l *ledger) list(r *rapid.T) {
	lag := func(name string, all ...time.Duration) time.Time {
		return l.clock.at.Add(-rapid.SampledFrom(all).Draw(r, name))
	}
	seen := lag("list lag", 0, worstLag/3, worstLag)
	charged := lag("charges lag", 0, time.Minute, 3*time.Hour)
	l.shown = guard.Exposure{Now: l.now(), Credit: new(l.left())}
	for _, v := range l.past {
		if !v.at.After(seen) || l.shown.Rentals == nil {
			l.shown.Rentals = slices.Clone(v.rows)
		}
	}
	today := l.now().UTC().Truncate(day)
	for _, b := range l.boxes {
		if rapid.IntRange(0, 3).Draw(r, "charge") == 0 {
			continue
		}
		cents := b.cost(today, charged.Add(l.skew), l.now()) / 1000 * 1000 // three decimals
		c := guard.Charge{Instance: b.Instance, Nonce: b.Nonce, Amount: cents}
		if b.edited {
			c.Nonce = ""
		}
		l.shown.Charges = append(l.shown.Charges, c)
	}
}

// look is what settling does with a list: it finds what was ordered, and notes
// what it costs.
func (l *ledger) look() {
	l.shown.At = l.clock.at
	for _, in := range l.open() {
		at := slices.IndexFunc(l.shown.Rentals, func(row guard.Rental) bool {
			return row.Nonce == in.Nonce || row.Instance == in.Instance && in.State == journal.Rented
		})
		switch b := l.of(in); {
		case in.State == journal.Rented && at < 0 && b != nil && b.gone && l.clock.at.Sub(in.UpdatedAt) > time.Minute:
			l.move(in, func(in *journal.Intent) { in.State, in.Cost = journal.Ended, l.accrued(*in, 0) })
		case in.State == journal.Rented && b != nil && b.Nonce != in.Nonce && !b.edited:
			l.move(in, func(in *journal.Intent) { in.State, in.Cost = journal.Ended, l.accrued(*in, 0) }) // started again
		case in.State == journal.Rented && at >= 0:
			row := l.shown.Rentals[at]
			rate := row.DiskRate
			if row.Running {
				rate = row.Rate
			}
			if in.Cost.At.IsZero() || in.Cost.Rate != rate {
				l.move(in, func(in *journal.Intent) { in.Cost = l.accrued(*in, rate) })
			}
		}
	}
}

func (l *ledger) accrued(in journal.Intent, rate usd.Amount) journal.Cost {
	if in.Cost.At.IsZero() {
		in.Cost = journal.Cost{At: in.Began, Rate: in.Rate}
	}
	in.Cost.Rate = max(in.Cost.Rate, rate)
	return guard.Accrue(in.Cost, l.shown.Now, rate)
}

func (l *ledger) move(in journal.Intent, change func(*journal.Intent)) {
	l.tx(func(tx *journal.Tx) {
		_, err := tx.SwapIntent(in.Nonce, change, in.State)
		require.NoError(l.t, err)
	})
}

func (l *ledger) of(in journal.Intent) *box {
	at := slices.IndexFunc(l.boxes, func(b *box) bool {
		return b.made == in.Nonce || in.Kind == guard.KindStart && b.Instance == in.Instance
	})
	if at < 0 {
		return nil
	}
	return l.boxes[at]
}

// cost is what a machine cost between two moments, as of now.
func (b *box) cost(from, to, now time.Time) (sum usd.Amount) {
	rate := b.DiskRate
	if b.Running {
		rate = b.Rate
	}
	for _, s := range append(slices.Clone(b.paid), segment{b.since, now, rate}) {
		sum += s.cost(from, to)
	}
	return sum
}

// left is the credit.
func (l *ledger) left() usd.Amount {
	left := l.credit
	for _, b := range l.boxes {
		left -= b.cost(time.Time{}, l.now(), l.now())
	}
	return left
}

// plan is a rental or a start, for an hour or some days.
func (l *ledger) plan(r *rapid.T) guard.Plan {
	lease := rapid.SampledFrom([]time.Duration{time.Hour, 5 * time.Hour, 20 * time.Hour, 49 * time.Hour}).Draw(r, "lease")
	p := l.create(usd.Amount(rapid.Int64Range(50_001, 900_000).Draw(r, "rate")))
	p.Lease, p.Until, p.DiskRate = lease, l.now().Add(lease).Truncate(time.Second), usd.Amount(rapid.Int64Range(0, 40_000).Draw(r, "disk"))
	p.Rate += p.DiskRate
	p.OnExpiry = rapid.SampledFrom([]string{"stop", "destroy"}).Draw(r, "then")
	stopped := slices.DeleteFunc(slices.Clone(l.boxes), func(b *box) bool { return b.Running || b.gone })
	if len(stopped) > 0 && rapid.Bool().Draw(r, "start") {
		b := pick(r, stopped)
		p.Kind, p.Instance, p.Rate, p.DiskRate = guard.KindStart, b.Instance, b.Rate, b.DiskRate
	}
	return p
}

// quote prices a rental, and when that is refused one that is said to fit.
func (l *ledger) quote(r *rapid.T) {
	l.list(r)
	p := l.plan(r)
	l.calls++
	c, by := call("{}"), pick(r, l.guards)
	c.Caller = fmt.Sprint("caller ", l.calls) // who need not be told of the others' orders
	q, err := by.Quote(l.t.Context(), c, p)
	if no, ok := errors.AsType[*guard.Refusal](err); ok {
		require.Contains(r, []string{guard.LimitDailyBudget, guard.LimitKeepCredit}, no.Limit)
		if no.Fits == 0 || p.Kind == guard.KindStart {
			return
		}
		require.Less(r, no.Fits, p.Rate)
		p.Rate = no.Fits
		q, err = by.Quote(l.t.Context(), c, p)
	}
	require.NoError(r, err, "what is said to fit does")
	q, err = by.Answer(l.t.Context(), q, guard.Answer{Yes: true})
	require.NoError(r, err)
	l.quotes = append(l.quotes, held{q, c, p, by})
}

// rent goes all the way at once, as most callers do.
func (l *ledger) rent(r *rapid.T) {
	before := len(l.quotes)
	if l.quote(r); len(l.quotes) > before {
		l.use(r, l.quotes[before])
	}
}

// redeem uses a quote. Now the invariant must hold, whatever was done since.
func (l *ledger) redeem(r *rapid.T) {
	l.list(r)
	l.use(r, pick(r, l.quotes))
}

func (l *ledger) use(r *rapid.T, h held) {
	if b := slices.IndexFunc(l.boxes, func(b *box) bool { return b.Instance == h.plan.Instance && (b.Running || b.gone) }); b >= 0 {
		r.Skip("it could not be planned again")
	}
	h.plan.Nonce, h.plan.Until = l.create(0).Nonce, l.now().Add(h.plan.Lease).Truncate(time.Second)
	g, err := h.by.Redeem(l.t.Context(), h.call, h.guard, h.plan)
	if err != nil || g.Resumed() {
		return
	}
	l.grants = append(l.grants, g)
	l.holds(r, h.plan)
	if rapid.IntRange(0, 3).Draw(r, "at once") > 0 {
		l.order(r, g)
	}
}

// chargeStep is what the API's charges are rounded to: what nobody saw a machine
// cost can be told no finer.
const chargeStep = usd.Dollar / 1000

// holds is the invariant at an admission.
func (l *ledger) holds(r *rapid.T, p guard.Plan) {
	for d := l.now().UTC().Truncate(day); d.Before(p.Until); d = d.Add(day) {
		var spent usd.Amount
		for _, b := range l.boxes {
			if b.ours {
				spent += b.cost(d, d.Add(day), l.now())
			}
		}
		unseen := chargeStep * usd.Amount(len(l.boxes))
		require.LessOrEqual(r, spent+l.committed(d, false), *l.policy.DailyBudget+unseen, "%s: %s spent", d.Format(time.DateOnly), spent)
	}
	if keep := l.policy.KeepCredit; keep != nil {
		left := l.left()
		for _, s := range l.promises(false) {
			if s.running {
				left -= s.cost(l.now(), p.Until.Add(1000*day))
			}
		}
		require.GreaterOrEqual(r, left+usd.Dollar/1000, *keep)
	}
}

// promise is what a decision of ours goes on costing.
type promise struct {
	segment

	running bool
}

// promises are what runs by the ledger, or may by an open intent, and the disks
// that it leaves. Limits hold it against a stopped machine that it may stay,
// although its lease says destroy.
func (l *ledger) promises(stays bool) (all []promise) {
	forever := l.now().Add(1000 * day)
	add := func(p guard.Rental) {
		all = append(all, promise{segment{l.now(), p.Until, p.Rate}, true})
		if p.OnExpiry != "destroy" {
			all = append(all, promise{segment{p.Until, forever, p.DiskRate}, false})
		}
	}
	counted := map[int64]bool{}
	open := l.open()
	slices.SortFunc(open, func(a, b journal.Intent) int { return b.Until.Compare(a.Until) }) // of several starts of one machine one comes to pass
	for _, in := range open {
		never := in.State != journal.Prepared || l.now().Sub(in.Began) > time.Minute
		if b := l.of(in); !never && !counted[in.Instance] && (b == nil || !b.gone) {
			add(guard.Rental{Rate: in.Rate, DiskRate: in.DiskRate, Until: in.Until, OnExpiry: in.OnExpiry})
			counted[in.Instance] = in.Instance != 0
		}
	}
	for _, b := range l.boxes {
		switch {
		case !b.ours || b.gone || counted[b.Instance]:
		case b.Running:
			add(b.Rental)
		case b.OnExpiry == "destroy" && !stays:
			all = append(all, promise{segment{l.now(), b.Until, b.DiskRate}, false})
		default:
			all = append(all, promise{segment{l.now(), forever, b.DiskRate}, false})
		}
	}
	return all
}

func (l *ledger) committed(d time.Time, stays bool) (sum usd.Amount) {
	for _, p := range l.promises(stays) {
		sum += p.cost(d, d.Add(day))
	}
	return sum
}

// order sends what was granted. The answer may be lost, whatever it was.
func (l *ledger) order(r *rapid.T, g *guard.Grant) {
	if l.now().Sub(g.Intent().Began) > time.Minute || g.Move(l.t.Context(), journal.Sent, nil, journal.Prepared) != nil {
		_ = g.GiveBack(l.t.Context(), "never sent", journal.Prepared)
		return
	}
	in := g.Intent()
	b := l.of(in)
	switch fate := rapid.SampledFrom([]string{"done", "done", "refused"}).Draw(r, "fate"); {
	case fate == "refused" || b != nil && (b.gone || b.Running):
		require.NoError(r, g.GiveBack(l.t.Context(), "refused", journal.Sent))
		return
	case b != nil:
		l.change(b, func() {
			b.Running, b.ours, b.edited, b.Nonce, b.Until, b.OnExpiry = true, true, false, in.Nonce, in.Until, in.OnExpiry
		})
	default:
		b = &box{ours: true, made: in.Nonce, since: l.now(), Rental: guard.Rental{
			Instance: int64(100 + l.calls), Nonce: in.Nonce, Running: true, Rate: in.Rate, DiskRate: in.DiskRate, Started: l.now(), Until: in.Until, OnExpiry: in.OnExpiry,
		}}
		l.calls++
		l.boxes = append(l.boxes, b)
	}
	if rapid.Bool().Draw(r, "answer lost") {
		require.NoError(r, g.Move(l.t.Context(), journal.Unknown, nil, journal.Sent))
	}
	if g.Intent().State == journal.Sent || rapid.Bool().Draw(r, "settled") {
		require.NoError(r, g.Rented(l.t.Context(), b.Instance, journal.Sent, journal.Unknown))
	}
}

// end stops or destroys a machine of ours, here or in the console, or tidies its
// label away.
func (l *ledger) end(r *rapid.T) {
	b := pick(r, l.boxes)
	switch what := rapid.SampledFrom([]string{"stop", "destroy", "tidy"}).Draw(r, "what"); {
	case b.gone || !b.ours:
	case what == "tidy":
		b.edited = true
	default:
		l.change(b, func() { b.Running, b.gone = false, what == "destroy" })
	}
}

func (l *ledger) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"moment": func(r *rapid.T) {
			l.pass(rapid.SampledFrom([]time.Duration{time.Second, 9 * time.Second, 61 * time.Second}).Draw(r, "passes"))
		},
		"hours": func(r *rapid.T) {
			l.pass(rapid.SampledFrom([]time.Duration{20 * time.Minute, 3 * time.Hour, 11 * time.Hour}).Draw(r, "passes"))
		},
		"rent": l.rent, "rent another": l.rent, "quote": l.quote, "redeem": l.redeem,
		"order":  func(r *rapid.T) { l.order(r, pick(r, l.grants)) },
		"settle": func(r *rapid.T) { l.list(r); l.look() },
		"end":    l.end,
		"":       func(*rapid.T) { l.remember() },
	}
}

func TestNoScheduleAdmitsMoreThanABudget(t *testing.T) {
	admitted := 0
	rapid.Check(t, func(r *rapid.T) {
		l := newLedger(t, r)
		r.Repeat(l.actions())
		admitted += len(l.grants)
	})
	least := 50
	if testing.Short() { // which plays fewer
		least = 10
	}
	require.Greater(t, admitted, least, "or nothing was tried")
}

// TestTheSumIsTheLedgers: when the list is complete and everything is settled,
// what is judged by is what there is.
func TestTheSumIsTheLedgers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := newLedger(t, r)
		r.Repeat(l.actions())
		for _, g := range l.grants {
			l.order(r, g)
			if b := l.of(g.Intent()); g.Intent().State == journal.Unknown {
				require.NoError(r, g.Rented(l.t.Context(), b.Instance, journal.Unknown))
			}
		}
		l.pass(2 * time.Minute) // so that what is gone is known to be
		l.shown = guard.Exposure{Now: l.now(), Rentals: l.past[len(l.past)-1].rows, Credit: new(l.left())}
		s, err := l.Standing(t.Context(), guard.Need{})
		require.NoError(r, err)
		running, rate, edited := 0, usd.Amount(0), false
		for _, b := range l.boxes {
			edited = edited || b.edited
			if b.Running {
				running, rate = running+1, rate+b.Rate
			}
		}
		require.Equal(r, running, s.Load.Instances)
		require.Equal(r, rate, s.Load.Rate)
		for at := l.now().UTC().Truncate(day); at.Before(l.now().Add(3 * day)); at = at.Add(day) {
			off := s.Load.Committed(at) - l.committed(at, true)
			require.GreaterOrEqual(r, off, usd.Amount(0), "%s", at)
			require.True(r, edited || off <= usd.Amount(2*len(l.boxes)), "%s too much on %s, beyond rounding: no label was edited", off, at)
		}
	})
}
