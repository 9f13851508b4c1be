package guard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

const day = 24 * time.Hour

func at(clock string) time.Time {
	t, err := time.Parse("01-02 15:04:05", clock)
	if err != nil {
		panic(err)
	}
	return t.AddDate(2026, 0, 0)
}

func TestAccrue(t *testing.T) {
	const dollar = usd.Dollar
	noon := journal.Cost{Day: "2026-11-21", Spent: dollar, At: at("11-21 12:00:00"), Rate: dollar}
	for name, c := range map[string]struct {
		cost journal.Cost
		now  time.Time
		rate usd.Amount
		want journal.Cost
	}{
		"nothing seen yet":      {journal.Cost{}, at("11-21 12:00:00"), 7, journal.Cost{Day: "2026-11-21", At: at("11-21 12:00:00"), Rate: 7}},
		"seen since it began":   {journal.Cost{At: at("11-21 11:00:00"), Rate: dollar}, at("11-21 12:00:00"), 7, journal.Cost{Day: "2026-11-21", Spent: dollar, At: at("11-21 12:00:00"), Rate: 7}},
		"goes on":               {noon, at("11-21 12:30:00"), dollar, journal.Cost{Day: "2026-11-21", Spent: 1_500_000, At: at("11-21 12:30:00"), Rate: dollar}},
		"is gone":               {noon, at("11-21 13:00:00"), 0, journal.Cost{Day: "2026-11-21", Spent: 2 * dollar, At: at("11-21 13:00:00")}},
		"rounds up":             {journal.Cost{Day: "2026-11-21", At: at("11-21 12:00:00"), Rate: 1}, at("11-21 12:00:01"), 1, journal.Cost{Day: "2026-11-21", Spent: 1, At: at("11-21 12:00:01"), Rate: 1}},
		"past midnight":         {noon, at("11-22 02:00:00"), 7, journal.Cost{Day: "2026-11-22", Spent: 2 * dollar, At: at("11-22 02:00:00"), Rate: 7}},
		"at midnight":           {noon, at("11-22 00:00:00"), 7, journal.Cost{Day: "2026-11-22", At: at("11-22 00:00:00"), Rate: 7}},
		"days later":            {noon, at("11-25 01:00:00"), 7, journal.Cost{Day: "2026-11-25", Spent: dollar, At: at("11-25 01:00:00"), Rate: 7}},
		"a clock that ran back": {noon, at("11-20 12:00:00"), 7, journal.Cost{Day: "2026-11-21", Spent: dollar, At: at("11-21 12:00:00"), Rate: 7}},
		"an unreadable price":   {journal.Cost{At: at("11-21 11:00:00"), Rate: usd.Max}, at("11-21 12:00:00"), 0, journal.Cost{Day: "2026-11-21", Spent: usd.Max, At: at("11-21 12:00:00")}},
	} {
		require.Equal(t, c.want, guard.Accrue(c.cost, c.now, c.rate), name)
	}
}

// TestLooksOnTheWayChangeNothing: however often a rental was looked at, it comes
// to what its rate comes to over the day, and never less.
func TestLooksOnTheWayChangeNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rate := usd.Amount(rapid.Int64Range(0, 5_000_000).Draw(r, "rate"))
		began := at("11-20 00:00:00").Add(time.Duration(rapid.Int64Range(0, int64(day/time.Second)).Draw(r, "began")) * time.Second)
		cost, now := journal.Cost{At: began, Rate: rate}, began
		looks := rapid.SliceOfN(rapid.Int64Range(0, int64(3*day)), 1, 20).Draw(r, "looks")
		for _, gap := range looks {
			now = now.Add(time.Duration(gap))
			cost = guard.Accrue(cost, now, rate)
		}
		midnight := now.Truncate(day)
		from := began
		if midnight.After(began) {
			from = midnight
		}
		exact := rate.For(now.Sub(from))
		require.GreaterOrEqual(r, cost.Spent, exact)
		require.LessOrEqual(r, cost.Spent, exact+usd.Amount(len(looks)), "rounded up once a look")
		require.Equal(r, midnight.Format(time.DateOnly), cost.Day)
		require.True(r, cost.At.Equal(now))
	})
}
