package guard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
)

func TestWhatEachLimitSays(t *testing.T) {
	const dollar = usd.Dollar
	p := guard.Plan{
		Effect: guard.Spend, Kind: guard.KindCreate, Rate: dollar, Lease: 6 * time.Hour, DiskRate: dollar / 10, OnExpiry: "destroy",
		Image: "pytorch/pytorch:2", Place: "Sweden, SE", Until: noon.Add(6 * time.Hour),
	}
	load := guard.Load{Now: noon, Spent: 3 * dollar, Credit: new(20 * dollar), Bills: []guard.Bill{
		{Ours: true, Rate: dollar / 2, Until: noon.Add(4 * time.Hour)}, {Rate: dollar},
	}}
	for _, c := range []struct {
		limit, value  string
		message, next string
		fits          usd.Amount
	}{
		{guard.LimitPerRental, "6", "", "", 0},
		{guard.LimitPerRental, "3", "this can cost $6.00 by the end of its lease and the owner allows $3.00 for one rental", "choose an offer at $0.50/h or less, or ask for a shorter lease", dollar / 2},
		{guard.LimitPerRental, "0", "this can cost $6.00", "ask for a shorter lease", 0},
		{guard.LimitDailyBudget, "11", "", "", 0},
		{guard.LimitDailyBudget, "8", "on 2026-11-21 (UTC) $3.00 are spent and $2.00 committed already; with $6.00 more the daily budget of $8.00 would be passed", "choose an offer at $0.50/h or less, or ask for a shorter lease", dollar / 2},
		{guard.LimitDailyBudget, "5", "would be passed", "nothing more fits on that day: end an instance, or wait for the next UTC day", 0},
		{guard.LimitKeepCredit, "6", "", "", 0},
		{guard.LimitKeepCredit, "9", "$11.00 of credit can be spent before the $9.00 that the owner keeps; what runs and this can cost $14.00", "choose an offer at $0.50/h or less, or ask for a shorter lease", dollar / 2},
		{guard.LimitKeepCredit, "25", "$0.00 of credit can be spent", "add credit, or stop what is no longer needed", 0},
		{guard.LimitAllowImage, "pytorch/*", "", "", 0},
		{guard.LimitAllowImage, "nvidia/*,ubuntu", "the owner does not allow the image pytorch/pytorch:2", "use an image that matches nvidia/*, ubuntu", 0},
		{guard.LimitAllowRegion, "Europe", "", "", 0},
		{guard.LimitAllowRegion, "US,Asia", "the machine stands in Sweden, SE and the owner allows US, Asia", "take an offer that search_offers shows: it leaves out what the owner forbids", 0},
	} {
		var policy guard.Policy
		require.NoError(t, policy.Set(guard.Limit{Name: c.limit, Value: c.value}))
		got := policy.Judge(p, load)
		if c.message == "" {
			require.Nil(t, got, "%s %s", c.limit, c.value)
			continue
		}
		require.NotNil(t, got, "%s %s", c.limit, c.value)
		require.Equal(t, c.limit, got.Limit)
		require.Contains(t, got.Message, c.message)
		require.Equal(t, c.next, got.Next)
		require.Equal(t, c.fits, got.Fits)
	}
}

func TestADayHoldsMoreThanTheRate(t *testing.T) {
	policy, load := guard.Policy{DailyBudget: new(6 * usd.Dollar)}, guard.Load{Now: noon}
	p := guard.Plan{Effect: guard.Spend, Rate: usd.Dollar, Lease: 6 * time.Hour, DiskRate: 1, OnExpiry: "destroy"}
	require.Nil(t, policy.Judge(p, load))
	dearer, stopped := p, p
	dearer.Upfront, stopped.OnExpiry = 1, "stop"
	require.NotNil(t, policy.Judge(dearer, load), "what is paid at once")
	require.NotNil(t, policy.Judge(stopped, load), "the disk that it leaves")
}

func TestWhatIsNotKnownIsNotAllowed(t *testing.T) {
	p := guard.Plan{Effect: guard.Spend, Rate: 1, Lease: time.Hour}
	for limit, policy := range map[string]guard.Policy{
		guard.LimitAllowImage: {AllowImages: []string{"*"}}, guard.LimitAllowRegion: {AllowRegions: []string{"Europe", "US"}}, guard.LimitKeepCredit: {KeepCredit: new(usd.Amount(0))},
	} {
		got := policy.Judge(p, guard.Load{})
		require.NotNil(t, got, limit)
		require.Equal(t, limit, got.Limit)
	}
	none := guard.Policy{AllowImages: []string{}}
	require.Contains(t, none.Judge(guard.Plan{Image: "a"}, guard.Load{}).Next, "none")
}

// TestWhatFitsIsTheMostThatFits: at the rate that a refusal names the same plan
// passes, and at any higher one it does not.
func TestWhatFitsIsTheMostThatFits(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		policy := somePolicy(r)
		policy.AllowRegions = nil
		plan := guard.Plan{
			Effect: guard.Spend, Rate: usd.Amount(rapid.Int64Range(0, 9e6).Draw(r, "rate")), Lease: time.Duration(rapid.Int64Range(1, int64(50*time.Hour)).Draw(r, "lease")),
			DiskRate: usd.Amount(rapid.Int64Range(0, 1e5).Draw(r, "disk")), Upfront: usd.Amount(rapid.Int64Range(0, 1e5).Draw(r, "upfront")),
		}
		load := guard.Load{
			Now: epoch, Spent: usd.Amount(rapid.Int64Range(0, 9e5).Draw(r, "spent")), Credit: new(usd.Amount(rapid.Int64Range(-1e6, 3e7).Draw(r, "credit"))),
			Bills: []guard.Bill{{Ours: true, Rate: usd.Amount(rapid.Int64Range(0, 1e5).Draw(r, "bill")), Until: epoch.Add(9 * time.Hour), After: 100}},
		}
		got := policy.Judge(plan, load)
		if got == nil {
			return
		}
		plan.Rate = got.Fits
		if got.Fits > 0 {
			require.Nil(r, policy.Judge(plan, load))
		}
		plan.Rate++
		require.NotNil(r, policy.Judge(plan, load))
	})
}

func TestNearALimitAQuoteSaysSo(t *testing.T) {
	for _, c := range []struct {
		policy guard.Policy
		says   string
	}{
		{guard.Policy{DailyBudget: new(5 * usd.Dollar)}, "with this, $4.00 of the $5.00 for 2026-11-22 are spoken for"},
		{guard.Policy{DailyBudget: new(5*usd.Dollar + 1)}, ""},
		{guard.Policy{MaxPerHour: new(usd.Dollar / 5)}, "with this, $0.166667 of the $0.20/h for one instance are spoken for"},
		{guard.Policy{MaxPerRental: new(4 * usd.Dollar)}, "with this, $4.00 of the $4.00 for one rental are spoken for"},
		{guard.Policy{MaxTotalPerHour: new(usd.Dollar)}, ""},
		{guard.Policy{MaxInstances: new(1)}, "with this, 1 of the 1 instances are spoken for"},
		{guard.Policy{KeepCredit: new(6 * usd.Dollar)}, "with this, $4.00 of the $4.00 credit above what is kept are spoken for"},
	} {
		r := newRig(t, limits(c.policy))
		r.world.api, r.world.credit = noon, new(10*usd.Dollar)
		p := r.create(166_667)
		p.Until, p.OnExpiry = noon.Add(p.Lease), "destroy"
		p.Rate, p.Warnings = 166_667, []string{"another"}
		if c.policy.MaxPerRental != nil || c.policy.KeepCredit != nil || c.policy.DailyBudget != nil {
			p.Rate, p.Lease = usd.Dollar/4, 16*time.Hour
			p.Until = noon.Add(p.Lease)
		}
		if c.policy.DailyBudget != nil {
			p.Until, p.Lease = noon.Add(28*time.Hour), 28*time.Hour
		}
		q := r.quoted(call("{}"), p)
		want := []string{"another"}
		if c.says != "" {
			want = append(want, c.says)
		}
		require.Equal(t, want, q.Plan.Warnings)
	}
}

func TestAnotherJournalIsToldOf(t *testing.T) {
	r := newRig(t)
	r.world.rentals = []guard.Rental{{Instance: 1, Nonce: "a stranger's", Running: true}, {Instance: 2, Running: true}}
	require.Equal(t, []string{guard.Apart}, r.quoted(call("{}"), r.create(1)).Plan.Warnings)
	s, err := r.Standing(t.Context(), guard.Need{})
	require.NoError(t, err)
	require.Equal(t, 1, s.Load.Strangers)
	require.Equal(t, guard.Need{}, r.world.need)
}
