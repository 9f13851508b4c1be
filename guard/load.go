package guard

import (
	"cmp"
	"slices"
	"time"

	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// Load is what runs, may be about to run and was spent today: what limits are
// compared with. The zero Load is an account on which nothing ever ran.
type Load struct {
	Rate      usd.Amount // dollars per hour of all that runs
	Instances int        // that run
	Now       time.Time  // the API's clock
	Spent     usd.Amount // on the UTC day of Now, by rentals of ours
	Bills     []Bill     // what goes on costing
	Credit    *usd.Amount
	Strangers int // rentals with a lease that this journal does not know
}

// Bill is what one machine goes on costing.
type Bill struct {
	Ours  bool       // the daily budget counts it
	Rate  usd.Amount // dollars per hour until Until
	Until time.Time  // zero: without an end
	After usd.Amount // dollars per hour from then on: a stopped disk has no end
}

// between is what the bill comes to from one moment to another.
func (b Bill) between(from, to time.Time) usd.Amount {
	runs := b.runs(from, to)
	return b.Rate.For(runs).Add(b.After.For(to.Sub(from) - runs))
}

// runs is how long of that time the machine costs its rate.
func (b Bill) runs(from, to time.Time) time.Duration {
	if !b.Until.IsZero() && b.Until.Before(to) {
		to = b.Until
	}
	return max(to.Sub(from), 0)
}

// with is the load with one more rental: the one that p would make.
func (l Load) with(p Plan) Load {
	l.Rate, l.Instances = l.Rate.Add(p.Rate), l.Instances+1
	l.Spent = l.Spent.Add(p.Upfront)
	l.Bills = append(slices.Clip(l.Bills), l.bill(p))
	return l
}

// bill is what p would go on costing.
func (l Load) bill(p Plan) Bill {
	b := Bill{Ours: true, Rate: p.Rate, Until: later(l.Now.Add(p.Lease), p.Until)}
	if p.OnExpiry != endDestroys {
		b.After = p.DiskRate
	}
	return b
}

// endDestroys is the OnExpiry that leaves no disk behind.
const endDestroys = "destroy"

// Committed is what rentals of ours go on costing on the UTC day that begins at
// day, from now on.
func (l Load) Committed(day time.Time) (sum usd.Amount) {
	for _, b := range l.Bills {
		if b.Ours {
			sum = sum.Add(b.between(later(l.Now, day), day.Add(wholeDay)))
		}
	}
	return sum
}

// SpentOn is what rentals of ours cost on that day up to now.
func (l Load) SpentOn(day time.Time) usd.Amount {
	if day.Equal(dayOf(l.Now)) {
		return l.Spent
	}
	return 0
}

// promised is what everything that runs can still cost until its lease ends;
// what has none counts until end.
func (l Load) promised(end time.Time) (sum usd.Amount) {
	for _, b := range l.Bills {
		if b.Until.IsZero() {
			b.Until = end
		}
		sum = sum.Add(b.Rate.For(b.Until.Sub(l.Now)))
	}
	return sum
}

// Days are the UTC days that leases of ours run on, today first, most at the
// most. A rental without an end adds none.
func (l Load) Days(most int) (all []time.Time) {
	last := l.Now
	for _, b := range l.Bills {
		if b.Ours {
			last = later(last, b.Until)
		}
	}
	return daysTo(l.Now, last, most)
}

// daysTo are the UTC days from now on that a lease until then touches.
func daysTo(now, until time.Time, most int) (all []time.Time) {
	for day := dayOf(now); len(all) == 0 || day.Before(until) && len(all) < most; day = day.Add(wholeDay) {
		all = append(all, day)
	}
	return all
}

// settledFor is how long a rental that was seen counts although the list does
// not show it running: the list lags by some seconds.
const settledFor = time.Minute

// weigh joins the list, the intents and the charges, each machine counted once.
// The instance that p itself would start costs nothing more but what it did
// today.
func weigh(tx *journal.Tx, e Exposure, p Plan) (Load, error) {
	t := tally{now: e.Now}
	if t.now.IsZero() {
		t.now = tx.Now()
	}
	for _, r := range e.Rentals {
		t.machines = append(t.machines, &machine{Rental: r, listed: true, ours: r.Nonce != ""})
	}
	open, err := tx.Counting()
	if err != nil {
		return Load{}, err
	}
	for _, in := range open {
		switch {
		case Rents(in):
			t.join(in, settled(in, tx.Now()))
		case in.Kind == KindExtend && in.State != journal.Rented:
			m := t.of(in)
			m.Until = later(m.Until, in.Until)
		}
	}
	over, err := tx.SpentOn(dayOf(t.now).Format(time.DateOnly))
	if err != nil {
		return Load{}, err
	}
	for _, in := range over {
		t.of(in).watch(in, t.now)
	}
	for _, c := range e.Charges {
		t.charge(c)
	}
	strangers, err := t.recognise(tx)
	l := t.load(p.Instance)
	l.Credit, l.Strangers = e.Credit, strangers
	return l, err
}

// settled reports whether the list tells how the rental of the intent stands.
func settled(in journal.Intent, now time.Time) bool {
	return in.State == journal.Rented && now.Sub(in.UpdatedAt) > settledFor
}

// tally is the account, machine by machine.
type tally struct {
	now      time.Time // the API's clock
	machines []*machine
}

// machine is one instance with all that is known of it. Its Rental says what it
// costs from now on, as far as that can be told.
type machine struct {
	Rental

	listed  bool
	ours    bool
	open    bool       // an intent that counts is about it
	own     usd.Amount // what it cost today, as its intents say
	charged usd.Amount
}

// of finds the machine that an intent is about, or adds one that is not listed:
// by its nonce, on what runs rather than on what does not, else by its ID.
func (t *tally) of(in journal.Intent) *machine {
	id := instanceOf(in)
	for _, is := range []func(*machine) bool{
		func(m *machine) bool { return m.Nonce != "" && m.Nonce == in.Nonce && m.Running },
		func(m *machine) bool { return m.Nonce != "" && m.Nonce == in.Nonce },
		func(m *machine) bool { return id != 0 && m.Instance == id },
	} {
		if at := slices.IndexFunc(t.machines, is); at >= 0 {
			return t.machines[at]
		}
	}
	m := &machine{Rental: Rental{Nonce: in.Nonce, Instance: id}}
	t.machines = append(t.machines, m)
	return m
}

// instanceOf is the instance that an intent is about, or zero. The ID that came
// with an order of unknown end is a hint: it may be anybody's.
func instanceOf(in journal.Intent) int64 {
	if in.Kind == KindCreate && in.State == journal.Unknown {
		return 0
	}
	return in.Instance
}

// watch adds what the intent's machine cost today by own observation.
func (m *machine) watch(in journal.Intent, now time.Time) {
	cost := in.Cost
	if cost.At.IsZero() {
		cost.At, cost.Rate = in.Began, in.Rate // nobody looked yet
	}
	m.ours = true
	m.own = m.own.Add(costOn(cost, now))
}

// join adds an open intent. One that is settled is what the list says; any other
// counts as running for its whole lease.
func (t *tally) join(in journal.Intent, settled bool) {
	m := t.of(in)
	m.watch(in, t.now)
	m.open = true
	switch {
	case settled && m.Nonce != "": // what its label says counts
	case m.Until.IsZero() || in.Until.IsZero():
		m.Until, m.OnExpiry = in.Until, in.OnExpiry
	default:
		m.Until = later(m.Until, in.Until)
		if in.OnExpiry != endDestroys {
			m.OnExpiry = in.OnExpiry
		}
	}
	m.DiskRate = cmp.Or(m.DiskRate, in.DiskRate)
	if m.Running && m.listed {
		m.Rate = cmp.Or(m.Rate, in.Rate)
	} else if !settled {
		m.Running, m.Rate = true, max(m.Rate, in.Rate)
	}
}

// charge adds what the API charged for an instance today.
func (t *tally) charge(c Charge) {
	at := slices.IndexFunc(t.machines, func(m *machine) bool { return m.Instance == c.Instance })
	if at < 0 {
		at = len(t.machines)
		t.machines = append(t.machines, &machine{Rental: Rental{Instance: c.Instance}})
	}
	m := t.machines[at]
	m.charged = m.charged.Add(c.Amount)
	m.ours = m.ours || c.Nonce != ""
}

// recognise finds rentals of ours whose label no longer says so, and counts
// those of which the journal knows nothing.
func (t *tally) recognise(tx *journal.Tx) (strangers int, err error) {
	for _, m := range t.machines {
		if !m.ours {
			if _, m.ours, err = tx.CallerOf(m.Instance); err != nil {
				return strangers, err
			}
		}
		if !m.listed || m.Nonce == "" || m.open {
			continue
		}
		_, known, err := tx.Intent(m.Nonce)
		if err != nil {
			return strangers, err
		}
		if !known {
			strangers++
		}
	}
	return strangers, nil
}

// load is the sum, in which the instance to be started has spent but costs
// nothing more.
func (t *tally) load(started int64) Load {
	l := Load{Now: t.now}
	for _, m := range t.machines {
		if m.ours {
			l.Spent = l.Spent.Add(max(m.charged, m.cost(t.now)))
		}
		if started != 0 && m.Instance == started {
			continue
		}
		switch until := m.Until; {
		case m.Running:
			if !until.IsZero() && !until.After(t.now) {
				until = dayOf(t.now).Add(wholeDay) // nobody ended it yet
			}
			b := Bill{Ours: m.ours, Rate: m.Rate, Until: until}
			if m.OnExpiry != endDestroys {
				b.After = m.DiskRate
			}
			l.Rate, l.Instances, l.Bills = l.Rate.Add(m.Rate), l.Instances+1, append(l.Bills, b)
		case m.listed && m.ours:
			l.Bills = append(l.Bills, Bill{Ours: true, Until: t.now, After: m.DiskRate})
		}
	}
	return l
}

// cost is what the machine cost today by own observation. What is there and of
// which no intent tells must have cost its rate since it was rented.
func (m *machine) cost(now time.Time) usd.Amount {
	if m.open || !m.listed {
		return m.own
	}
	rate := m.DiskRate
	if m.Running {
		rate = m.Rate
	}
	return max(m.own, rate.For(now.Sub(later(m.Started, dayOf(now)))))
}
