package guard_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// ceiling stores limits for the account.
func (r *rig) ceiling(limits map[string]string) {
	r.t.Helper()
	_, err := guard.SetCeiling(r.t.Context(), r.config.Journal, alice, guard.Ceiling{Limits: limits, Key: "a key"})
	require.NoError(r.t, err)
}

func TestACeilingBindsWhatRunsAlready(t *testing.T) {
	r := newRig(t, limits(guard.Policy{MaxPerHour: new(2 * usd.Dollar)}))
	approved, p := r.approved(call("before"), r.create(usd.Dollar)), r.create(usd.Dollar)
	r.ceiling(map[string]string{guard.LimitPerHour: "0.50"})
	_, err := r.Redeem(t.Context(), call("before"), approved, p)
	require.Equal(t, guard.LimitPerHour, refusal(err), "a yes from before")
	_, err = r.Quote(t.Context(), call("after"), r.create(usd.Dollar))
	require.ErrorContains(t, err, "the owner allows $0.50/h")
	r.granted(call("end"), r.act(guard.Destroy))
	_, err = r.in(bob).Quote(t.Context(), call("elsewhere"), r.create(usd.Dollar))
	require.NoError(t, err, "another account")

	in, err := r.InForce(t.Context())
	require.NoError(t, err)
	require.True(t, in.FromCeiling(guard.LimitPerHour))
	require.NoError(t, guard.ClearCeiling(t.Context(), r.config.Journal, alice))
	r.quoted(call("after"), r.create(usd.Dollar))
	in, err = r.InForce(t.Context())
	require.NoError(t, err)
	require.False(t, in.FromCeiling(guard.LimitPerHour))
	require.Equal(t, []string{"policy_set", "policy_cleared"}, slices.DeleteFunc(r.kinds(), func(kind string) bool { return kind[:3] != "pol" }))
}

func TestACeilingAsksForWhatItIsJudgedBy(t *testing.T) {
	r := newRig(t)
	r.ceiling(map[string]string{guard.LimitKeepCredit: "5"})
	_, err := r.Quote(t.Context(), call("{}"), r.create(1))
	require.ErrorContains(t, err, "credit cannot be read")
	require.Equal(t, guard.Need{Credit: true}, r.world.need)
}

func TestLimitsAreAddedToACeiling(t *testing.T) {
	r := newRig(t)
	r.ceiling(map[string]string{guard.LimitPerHour: "1", guard.LimitInstances: "3"})
	r.ceiling(map[string]string{guard.LimitInstances: "2"})
	in, err := r.InForce(t.Context())
	require.NoError(t, err)
	require.Equal(t, []guard.Limit{{Name: guard.LimitPerHour, Value: "1.00"}, {Name: guard.LimitInstances, Value: "2"}}, in.Policy.Limits())
	for _, bad := range []map[string]string{{guard.LimitPerHour: "-1"}, {"no-such": "1"}, {guard.LimitLease: "0s"}, {guard.LimitInstances: ""}} {
		_, err := guard.SetCeiling(t.Context(), r.config.Journal, alice, guard.Ceiling{Limits: bad})
		require.Error(t, err, "%v", bad)
	}
}

// TestAnUnreadableCeilingStopsRenting: what cannot be read counts against.
func TestAnUnreadableCeilingStopsRenting(t *testing.T) {
	for _, body := range []any{map[string]any{"limits": map[string]string{"of-a-newer-version": "1"}}, map[string]any{"approve": "whoever"}, "text", 7} {
		r := newRig(t)
		r.tx(func(tx *journal.Tx) { require.NoError(t, tx.PutSetting("ceiling", body)) })
		_, err := r.Quote(t.Context(), call("{}"), r.create(1))
		require.ErrorContains(t, err, "vast-mcp policy clear", "%v", body)
		r.granted(call("end"), r.act(guard.Destroy))
		require.NoError(t, guard.ClearCeiling(t.Context(), r.config.Journal, alice))
		r.quoted(call("{}"), r.create(1))
	}
}

func TestLooser(t *testing.T) {
	c := guard.Ceiling{Mode: guard.Client, Limits: map[string]string{
		guard.LimitPerHour: "1", guard.LimitKeepCredit: "5", guard.LimitInstances: "3", guard.LimitLease: "24h", guard.LimitAllowRegion: "Europe", guard.LimitAllowImage: "nvidia/*,ubuntu",
	}}
	for _, l := range []struct{ name, same, tighter, looser string }{
		{guard.LimitPerHour, "1.000000", "0.99", "1.01"},
		{guard.LimitKeepCredit, "5", "6", "4"},
		{guard.LimitInstances, "3", "0", "4"},
		{guard.LimitLease, "24h", "1h", "25h"},
		{guard.LimitAllowRegion, "Europe", "SE,Germany", "SE,US"},
		{guard.LimitAllowImage, "nvidia/*,ubuntu", "nvidia/cuda:12", "nvidia*"},
		{guard.LimitDailyBudget, "5", "0", ""},
	} {
		for value, loose := range map[string]bool{l.same: false, l.tighter: false, l.looser: true} {
			var p guard.Policy
			if value == "" {
				continue
			}
			require.NoError(t, p.Set(guard.Limit{Name: l.name, Value: value}))
			got, err := c.Looser(p, "")
			require.NoError(t, err)
			require.Equal(t, loose, len(got) == 1, "%s %s: %v", l.name, value, got)
			if loose {
				require.Contains(t, got[0], "--"+l.name+" is ")
				require.Contains(t, got[0], "the ceiling is "+c.Limits[l.name])
			}
		}
	}
	for mode, loose := range map[guard.Mode]bool{guard.Operator: false, guard.Client: false, "": false, guard.Model: true, "auto": true} {
		got, err := c.Looser(guard.Policy{}, mode)
		require.NoError(t, err)
		require.Equal(t, loose, len(got) == 1, "%s: %v", mode, got)
	}
}

func TestACeilingIsFoundByItsKey(t *testing.T) {
	r := newRig(t)
	r.ceiling(map[string]string{guard.LimitPerHour: "1"})
	find := func(key, realm string) guard.Ceiling {
		c, err := guard.CeilingOf(t.Context(), r.config.Journal, key, func(name string) bool { return name == realm })
		require.NoError(t, err)
		return c
	}
	require.Equal(t, map[string]string{guard.LimitPerHour: "1"}, find("a key", alice).Limits)
	require.Empty(t, find("another key", alice))
	require.Empty(t, find("a key", bob))
	r.tx(func(tx *journal.Tx) { require.NoError(t, tx.PutSetting("ceiling", 7)) })
	_, err := guard.CeilingOf(t.Context(), r.config.Journal, "a key", func(string) bool { return true })
	require.ErrorContains(t, err, "cannot be read")
}

// somePolicy is any policy that flags can say.
func somePolicy(r *rapid.T) (p guard.Policy) {
	amount := func(name string) *usd.Amount {
		return rapid.Ptr(rapid.Custom(func(r *rapid.T) usd.Amount { return usd.Amount(rapid.Int64Range(0, 9e6).Draw(r, "a")) }), true).Draw(r, name)
	}
	p.MaxPerHour, p.MaxTotalPerHour, p.MaxPerRental = amount("per hour"), amount("total"), amount("rental")
	p.DailyBudget, p.KeepCredit = amount("day"), amount("keep")
	p.MaxInstances = rapid.Ptr(rapid.IntRange(0, 9), true).Draw(r, "instances")
	p.MaxLease = time.Duration(rapid.IntRange(0, 9).Draw(r, "lease")) * time.Hour
	if rapid.Bool().Draw(r, "regions") {
		p.AllowRegions = rapid.SliceOfN(rapid.SampledFrom([]string{"SE", "US", "Europe", "Asia"}), 1, 3).Draw(r, "region")
	}
	return p
}

// TestUnderACeilingBothHold: a plan passes under a ceiling exactly when it
// passes what was said on both sides.
func TestUnderACeilingBothHold(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		flags, stored := somePolicy(r), somePolicy(r)
		c := guard.Ceiling{Limits: map[string]string{}}
		for _, l := range stored.Limits() {
			c.Limits[l.Name] = l.Value
		}
		in, err := c.Under(flags, guard.Client)
		require.NoError(r, err)
		plan := guard.Plan{
			Effect: guard.Spend, Rate: usd.Amount(rapid.Int64Range(0, 9e6).Draw(r, "rate")), Lease: time.Duration(rapid.IntRange(0, 9).Draw(r, "hours")) * time.Hour,
			Place: rapid.SampledFrom([]string{"Sweden, SE", "Texas, US", "Japan, JP", ""}).Draw(r, "place"),
		}
		load := guard.Load{Now: epoch, Rate: usd.Amount(rapid.Int64Range(0, 5e6).Draw(r, "load")), Instances: rapid.IntRange(0, 5).Draw(r, "running"), Credit: new(9 * usd.Dollar)}
		require.Equal(r, flags.Judge(plan, load) == nil && stored.Judge(plan, load) == nil, in.Policy.Judge(plan, load) == nil)
		again, err := c.Under(in.Policy, guard.Client)
		require.NoError(r, err)
		require.Equal(r, in.Policy, again.Policy)
	})
}

func FuzzCeiling(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"limits":{"daily-budget":"10"},"approve":"operator","key":"k"}`, `{"limits":{"allow-image":"a,,b"}}`, `{"limits":{"max-lease":"9223372036854775807ns"}}`, `[]`, `{"limits":{"max-instances":"-1"}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var c guard.Ceiling
		if json.Unmarshal([]byte(body), &c) != nil {
			return
		}
		in, err := c.Under(guard.Policy{}, guard.Model)
		if err != nil {
			return
		}
		require.NotEmpty(t, in.Mode)
		names := slices.Collect(maps.Keys(c.Limits))
		require.Len(t, in.Policy.Limits(), len(names), "no limit is lost")
		for _, l := range in.Policy.Limits() {
			var p guard.Policy
			require.NoError(t, p.Set(l))
			require.Equal(t, []guard.Limit{l}, p.Limits())
		}
	})
}
