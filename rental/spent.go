package rental

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// Spent is what something has cost since it was made.
type Spent struct {
	Amount    usd.Amount
	Estimated bool // by rate and time: the API charged less so far, or could not be asked
}

// readBack is how far back charges are read: an account that is years old has
// more than can be read while somebody waits.
const readBack = 92 * 24 * time.Hour

// bills is what the API charged, by source such as "instance-45001234".
type bills struct {
	now    time.Time
	since  time.Time // the first midnight that was asked for
	unread bool
	before map[string]usd.Amount // before the UTC day of now
	today  map[string]usd.Amount
}

// midnight is the one that the UTC day of t began with.
func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// bills reads, at once, all that was charged for what began at the given times,
// in unix seconds. What cannot be read is estimated.
func (d *Desk) bills(ctx context.Context, now time.Time, began []float64, types ...string) bills {
	b := bills{now: now, since: midnight(now), before: map[string]usd.Amount{}, today: map[string]usd.Amount{}}
	if len(began) == 0 {
		return b
	}
	if first := midnight(unixTime(slices.Min(began))); first.Before(b.since) {
		b.since = first
	}
	if oldest := midnight(now.Add(-readBack)); b.since.Before(oldest) {
		b.since = oldest
	}
	query := vast.ChargeQuery{From: b.since, To: midnight(now).Add(24 * time.Hour), Types: types}
	for c, err := range d.calm.Billing.Charges(ctx, query) {
		if err != nil {
			d.log.Warn("what was charged cannot be read: it is estimated", "err", err)
			b.unread = true
			return b
		}
		switch start := unixTime(c.Start); {
		case start.Before(b.since):
		case start.Before(midnight(now)):
			b.before[c.Source] = b.before[c.Source].Add(usd.Ceil(max(0, c.Amount)))
		default:
			b.today[c.Source] = b.today[c.Source].Add(usd.Ceil(max(0, c.Amount)))
		}
	}
	return b
}

// of is what a source has cost since it began, which is zero when that is not
// known. rate is what it costs per hour now, and seen what it cost today by own
// observation.
//
// Charges of today lag, so that the larger of both counts, as in a budget.
func (b bills) of(source string, began time.Time, rate, seen usd.Amount) Spent {
	known := !began.IsZero()
	switch {
	case b.unread && !known:
		return Spent{seen, true}
	case b.unread:
		return Spent{max(seen, rate.For(b.now.Sub(began))), true}
	}
	s := Spent{Amount: b.before[source].Add(max(b.today[source], seen)), Estimated: seen > b.today[source]}
	if known && began.Before(b.since) {
		s.Amount, s.Estimated = s.Amount.Add(rate.For(b.since.Sub(began))), true
	}
	return s
}

// spentOn is what the row has cost since it began.
func (s *survey) spentOn(row vast.Instance, b bills) Spent {
	began := startOf(row)
	return b.of(fmt.Sprintf("instance-%d", row.ID), began, rateOf(row), s.seenToday(row, began))
}

// seenToday is what the row cost today by own observation. What the journal does
// not know must have cost its rate for as long as it is there.
func (s *survey) seenToday(row vast.Instance, began time.Time) usd.Amount {
	spent, watched := usd.Amount(0), false
	for _, in := range slices.Concat(s.intents, s.over) {
		if in.Instance != int64(row.ID) || in.State != journal.Rented && in.State != journal.Ended {
			continue
		}
		rate := usd.Amount(0)
		if in.State == journal.Rented {
			watched, rate = true, rateOf(row)
		}
		spent = spent.Add(accrued(in, s.now, rate).Spent)
	}
	if watched || began.IsZero() {
		return spent
	}
	return max(spent, sinceMidnight(began, s.now, rateOf(row)))
}

// sinceMidnight is what a rate comes to on the UTC day of now.
func sinceMidnight(began, now time.Time, rate usd.Amount) usd.Amount {
	if day := midnight(now); began.Before(day) {
		began = day
	}
	return rate.For(now.Sub(began))
}

// unixTime is when the API says that something began; zero when it does not.
func unixTime(seconds float64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000)).UTC()
}
