package rental

import (
	"context"
	"slices"
	"time"

	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// Leases is every lease on the account.
type Leases struct {
	All      []Leased // the one that ends first stands first
	Unleased int      // instances that carry none: see [Desk.Orphans]
	Open     []Order  // machines may run for them
	Record   Record
	Now      time.Time // the API's clock
}

// Leased is an instance with a lease that counts.
type Leased struct {
	Instance    vast.Instance
	Until       time.Time // on the API's clock
	OnExpiry    string
	IdleMinutes int           // zero: idling is not looked at
	Left        time.Duration // until then; less than nothing when it is over
	Lost        bool          // its label no longer says so, but the journal does
	Rate        usd.Amount    // dollars per hour as it is now: of the disk when it is stopped
	Spent       Spent
	Most        *usd.Amount // what it still costs until then at Rate, traffic apart; nil: nothing ended it, so nobody knows
	AfterPerDay usd.Amount  // what its disk costs a day after that
	EnforcedBy  []string    // empty: nobody
}

// Over reports whether the lease has ended.
func (l Leased) Over() bool { return l.Left <= 0 }

// Leases lists every lease that counts, by one complete list that settles on the
// way what it decides. What is stopped stays in it, for its disk goes on costing
// money. It fails only when the list cannot be read.
func (d *Desk) Leases(ctx context.Context) (Leases, error) {
	s, err := d.survey(ctx)
	if err != nil {
		return Leases{}, err
	}
	l := Leases{Unleased: len(s.rows) - len(s.holds), Open: s.open, Record: s.record, Now: s.now}
	var began []float64
	for _, h := range s.holds {
		began = append(began, h.row.StartDate)
	}
	b, by := d.bills(ctx, s.now, began, "instance"), d.enforcers(ctx)
	for _, row := range s.rows {
		if h, ok := s.holds[row.ID]; ok {
			l.All = append(l.All, d.leased(s, h, b, by))
		}
	}
	slices.SortStableFunc(l.All, func(a, b Leased) int { return a.Until.Compare(b.Until) })
	return l, ctx.Err()
}

// leased is one lease with its money.
func (d *Desk) leased(s *survey, h hold, b bills, by []string) Leased {
	l := Leased{
		Instance: h.row, Until: h.tail.Until, OnExpiry: h.tail.OnExpiry, IdleMinutes: h.tail.IdleMinutes, Left: h.tail.Until.Sub(s.now),
		Lost: !h.written, Rate: rateOf(h.row), Spent: s.spentOn(h.row, b), EnforcedBy: andItself(by, h.row),
	}
	if destroy, _ := d.destroys(h); !destroy {
		l.OnExpiry = OnExpiryStop // whatever its label says
	}
	if !l.Over() || !Running(h.row) {
		l.Most = new(l.Rate.For(l.Left))
	}
	if l.OnExpiry == OnExpiryStop || l.Over() {
		l.AfterPerDay = usd.Ceil(h.row.DiskPerHour).For(24 * time.Hour)
	}
	return l
}
