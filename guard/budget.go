package guard

import (
	"time"

	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// wholeDay is a day of the budget: they are UTC days, which all last as long.
const wholeDay = 24 * time.Hour

// dayOf is the midnight that the UTC day of t began with.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(wholeDay) }

// Accrue carries c, what a rental is known to have cost, on to now and takes
// rate, dollars per hour, as what it costs from then on: zero once it is gone,
// its disk's rate while it is stopped. now is the API's clock.
//
// Up to now it cost what was seen last, rounded up. What it cost before the UTC
// day of now is left out, for no budget asks for it any more. A now that is not
// after c.At only changes the rate. With the zero Cost nothing was seen yet, and
// counting begins at now: to begin earlier, say so in At and Rate.
func Accrue(c journal.Cost, now time.Time, rate usd.Amount) journal.Cost {
	if c.At.IsZero() {
		c.At = now
	}
	if !now.Before(c.At) {
		c.Spent, c.At = costOn(c, now), now.UTC()
	}
	c.Day, c.Rate = dayOf(c.At).Format(time.DateOnly), rate
	return c
}

// costOn is what c comes to on the UTC day of now, up to now.
func costOn(c journal.Cost, now time.Time) usd.Amount {
	today := dayOf(now)
	spent := usd.Amount(0)
	if c.Day == today.Format(time.DateOnly) {
		spent = c.Spent
	}
	return spent.Add(c.Rate.For(now.Sub(later(c.At, today))))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
