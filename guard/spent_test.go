package guard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// The API's clock in these tests, far from the wall clock: noon of a day.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// ours is a row of a rental that carries a lease: $1/h, or $0.10/h stopped.
func ours(id int64, nonce string, running bool, left time.Duration, then string) guard.Rental {
	return guard.Rental{
		Instance: id, Nonce: nonce, Running: running, Rate: usd.Dollar, DiskRate: usd.Dollar / 10,
		Started: noon.Add(-2 * time.Hour), Until: noon.Add(left), OnExpiry: then,
	}
}

func TestWhatCountsAgainstADay(t *testing.T) {
	const h = time.Hour
	cents := func(n int64) usd.Amount { return usd.Amount(n) * usd.Dollar / 100 }
	rented := journal.Intent{Nonce: "a", Kind: guard.KindCreate, State: journal.Rented, Instance: 1, Rate: 2 * usd.Dollar, Began: noon.Add(-3 * h), Until: noon.Add(6 * h), OnExpiry: "destroy"}
	with := func(in journal.Intent, change func(*journal.Intent)) journal.Intent {
		change(&in)
		return in
	}
	costs := func(spent usd.Amount, ago time.Duration, rate usd.Amount) func(*journal.Intent) {
		return func(in *journal.Intent) {
			at := noon.Add(-ago)
			in.Cost = journal.Cost{Day: at.Format(time.DateOnly), Spent: spent, At: at, Rate: rate}
		}
	}
	type rows = []guard.Rental
	type intents = []journal.Intent
	type charges = []guard.Charge
	for name, c := range map[string]struct {
		rows    rows
		intents intents
		charges charges
		spent   int64    // cents
		days    [3]int64 // committed, in cents
	}{
		"nothing":                               {},
		"unknown to the journal, running":       {rows: rows{ours(1, "a", true, 6*h, "destroy")}, spent: 200, days: [3]int64{600}},
		"it leaves its disk":                    {rows: rows{ours(1, "a", true, 6*h, "stop")}, spent: 200, days: [3]int64{660, 240, 240}},
		"past midnight":                         {rows: rows{ours(1, "a", true, 14*h, "destroy")}, spent: 200, days: [3]int64{1200, 200}},
		"its lease is over":                     {rows: rows{ours(1, "a", true, -h, "destroy")}, spent: 200, days: [3]int64{1200}},
		"its lease is over, and a disk is left": {rows: rows{ours(1, "a", true, -h, "stop")}, spent: 200, days: [3]int64{1200, 240, 240}},
		"stopped":                               {rows: rows{ours(1, "a", false, 6*h, "destroy")}, spent: 20, days: [3]int64{120, 240, 240}},
		"foreign":                               {rows: rows{{Instance: 1, Running: true, Rate: usd.Dollar}}, charges: charges{{Instance: 1, Amount: cents(50)}}},
		"charged more than was seen":            {rows: rows{ours(1, "a", true, 6*h, "destroy")}, charges: charges{{Instance: 1, Nonce: "a", Amount: cents(250)}}, spent: 250, days: [3]int64{600}},
		"charged less than was seen":            {rows: rows{ours(1, "a", true, 6*h, "destroy")}, charges: charges{{Instance: 1, Nonce: "a", Amount: cents(10)}}, spent: 200, days: [3]int64{600}},
		"charged twice":                         {charges: charges{{Instance: 1, Nonce: "a", Amount: cents(10)}, {Instance: 1, Amount: cents(15)}}, spent: 25},
		"charged for what is gone":              {charges: charges{{Instance: 1, Nonce: "a", Amount: cents(10)}, {Instance: 2, Amount: cents(99)}}, spent: 10},
		"gone, and its label was edited":        {intents: intents{with(rented, func(in *journal.Intent) { in.State = journal.Ended })}, charges: charges{{Instance: 1, Amount: cents(10)}}, spent: 10},
		"nobody looked since it was planned":    {rows: rows{ours(1, "a", true, 6*h, "destroy")}, intents: intents{rented}, spent: 600, days: [3]int64{600}},
		"as it was seen":                        {rows: rows{ours(1, "a", true, 6*h, "destroy")}, intents: intents{with(rented, costs(cents(70), h, usd.Dollar))}, spent: 170, days: [3]int64{600}},
		"as it was seen yesterday":              {rows: rows{ours(1, "a", true, 6*h, "destroy")}, intents: intents{with(rented, costs(cents(70), 13*h, usd.Dollar))}, spent: 1200, days: [3]int64{600}},
		"stopped as it was seen":                {rows: rows{ours(1, "a", false, 6*h, "stop")}, intents: intents{with(rented, costs(cents(70), h, cents(10)))}, spent: 80, days: [3]int64{120, 240, 240}},
		"created, then started":                 {rows: rows{ours(1, "b", true, 6*h, "destroy")}, intents: intents{with(rented, func(in *journal.Intent) { costs(cents(70), h, 0)(in); in.State = journal.Ended }), with(rented, func(in *journal.Intent) { costs(cents(5), 0, usd.Dollar)(in); in.Nonce, in.Kind = "b", guard.KindStart })}, spent: 75, days: [3]int64{600}},
		"ended today":                           {intents: intents{with(rented, func(in *journal.Intent) { costs(cents(70), h, 0)(in); in.State = journal.Ended })}, spent: 70},
		"ended yesterday":                       {intents: intents{with(rented, func(in *journal.Intent) { costs(cents(70), 13*h, 0)(in); in.State = journal.Ended })}},
		"ended, but there":                      {rows: rows{ours(1, "a", true, 6*h, "destroy")}, intents: intents{with(rented, func(in *journal.Intent) { costs(cents(70), h, 0)(in); in.State = journal.Ended })}, spent: 200, days: [3]int64{600}},
		"an order that is not listed":           {intents: intents{with(rented, func(in *journal.Intent) { in.State, in.Began = journal.Sent, noon })}, days: [3]int64{1200}},
		"a start that may have worked": {rows: rows{ours(1, "a", false, -h, "destroy")}, intents: intents{with(rented, func(in *journal.Intent) {
			in.State, in.Nonce, in.Kind, in.Began = journal.Unknown, "b", guard.KindStart, noon
		})}, days: [3]int64{1200}},
		"its label was edited":                    {rows: rows{{Instance: 1, Running: true, Rate: usd.Dollar}}, intents: intents{with(rented, costs(cents(70), 0, usd.Dollar))}, spent: 70, days: [3]int64{600}},
		"its label was edited to last":            {rows: rows{ours(1, "a", true, 8*h, "destroy")}, intents: intents{with(rented, costs(cents(70), 0, usd.Dollar))}, spent: 70, days: [3]int64{800}},
		"its price cannot be read, but was known": {rows: rows{{Instance: 1, Nonce: "a", Running: true, Until: noon.Add(h), OnExpiry: "destroy"}}, intents: intents{with(rented, costs(0, 0, usd.Dollar))}, days: [3]int64{200}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.world.api, r.world.rentals, r.world.charges = noon, c.rows, c.charges
			r.tx(func(tx *journal.Tx) {
				for i, in := range c.intents {
					in.Quote = fmt.Sprint(i)
					require.NoError(t, tx.PutIntent(in))
				}
			})
			r.clock.pass(h)
			s, err := r.Standing(t.Context(), guard.Need{Charges: true})
			require.NoError(t, err)
			today := noon.Truncate(day)
			require.Equal(t, cents(c.spent).String(), s.Load.SpentOn(today).String(), "spent")
			require.Zero(t, s.Load.SpentOn(today.Add(day)))
			for i, committed := range c.days {
				require.Equal(t, cents(committed).String(), s.Load.Committed(today.Add(time.Duration(i)*day)).String(), "day %d", i)
			}
		})
	}
}

func TestEveryDayThatALeaseTouchesIsJudged(t *testing.T) {
	r := newRig(t, limits(guard.Policy{DailyBudget: new(10 * usd.Dollar)}))
	r.world.api = noon.Add(11*time.Hour + 50*time.Minute)
	for i := range 10 {
		p := r.create(usd.Dollar / 10 * 4)
		p.Nonce, p.Until, p.OnExpiry = fmt.Sprintf("n%015d", i), r.world.api.Add(p.Lease), "destroy"
		_, err := r.Quote(t.Context(), call(fmt.Sprint(i)), p)
		if i == 1 {
			require.Equal(t, guard.LimitDailyBudget, refusal(err))
			require.ErrorContains(t, err, "on 2026-11-22 (UTC) $0.00 are spent and $9.533334 committed already; with $9.533334 more the daily budget of $10.00 would be passed")
			return
		}
		require.NoError(t, err)
		r.granted(call(fmt.Sprint(i)), p)
	}
	require.Fail(t, "tomorrow's budget was spent today")
}

// TestAStartIsJudged: what the machine cost today stays, what it would cost is
// the start's.
func TestAStartIsJudged(t *testing.T) {
	r := newRig(t, limits(guard.Policy{DailyBudget: new(5 * usd.Dollar)}))
	r.world.api, r.world.rentals = noon, []guard.Rental{ours(1, "a", false, -time.Hour, "stop")}
	r.world.charges = []guard.Charge{{Instance: 1, Nonce: "a", Amount: 2 * usd.Dollar}}
	start := func(hours int) error {
		p := r.create(usd.Dollar)
		p.Kind, p.Instance, p.Lease, p.OnExpiry = guard.KindStart, 1, time.Duration(hours)*time.Hour, "destroy"
		p.Until = noon.Add(p.Lease)
		_, err := r.Quote(t.Context(), call(fmt.Sprint(hours)), p)
		return err
	}
	require.NoError(t, start(3))
	require.Equal(t, guard.LimitDailyBudget, refusal(start(4)))
}
