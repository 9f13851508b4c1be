package guard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
)

func TestJudge(t *testing.T) {
	const (
		limit = 500_000 // $0.50
		micro = 1
	)
	perHour := guard.Policy{MaxPerHour: new(usd.Amount(limit))}
	total := guard.Policy{MaxTotalPerHour: new(usd.Amount(limit))}
	count := guard.Policy{MaxInstances: new(2)}
	lease := guard.Policy{MaxLease: 24 * time.Hour}
	none := guard.Policy{MaxPerHour: new(usd.Amount(0)), MaxTotalPerHour: new(usd.Amount(0)), MaxInstances: new(0), MaxLease: time.Nanosecond}
	rent := func(rate usd.Amount, d time.Duration) guard.Plan {
		return guard.Plan{Effect: guard.Spend, Kind: guard.KindCreate, Rate: rate, Lease: d}
	}
	for name, c := range map[string]struct {
		policy guard.Policy
		plan   guard.Plan
		load   guard.Load
		limit  string // that denies, or ""
	}{
		"no limits":                        {guard.Policy{}, rent(limit, 9999*time.Hour), guard.Load{Rate: usd.Max, Instances: 1 << 30}, ""},
		"no limits, unreadable":            {guard.Policy{}, rent(usd.Max, time.Hour), guard.Load{}, "max-dollars-per-hour"},
		"one instance, just under":         {perHour, rent(limit-micro, 0), guard.Load{}, ""},
		"one instance, at":                 {perHour, rent(limit, 0), guard.Load{}, ""},
		"one instance, just over":          {perHour, rent(limit+micro, 0), guard.Load{}, "max-dollars-per-hour"},
		"one instance, whatever runs":      {perHour, rent(limit, 0), guard.Load{Rate: 100 * limit, Instances: 100}, ""},
		"one instance, unreadable":         {perHour, rent(usd.Max, 0), guard.Load{}, "max-dollars-per-hour"},
		"one instance, nothing allowed":    {none, rent(micro, 0), guard.Load{}, "max-dollars-per-hour"},
		"total, just under":                {total, rent(limit/2-micro, 0), guard.Load{Rate: limit / 2}, ""},
		"total, at":                        {total, rent(limit/2, 0), guard.Load{Rate: limit / 2}, ""},
		"total, just over":                 {total, rent(limit/2+micro, 0), guard.Load{Rate: limit / 2}, "max-total-dollars-per-hour"},
		"total, by the first":              {total, rent(limit+micro, 0), guard.Load{}, "max-total-dollars-per-hour"},
		"total, unreadable plan":           {total, rent(usd.Max, 0), guard.Load{}, "max-dollars-per-hour"},
		"total, unreadable load":           {total, rent(0, 0), guard.Load{Rate: usd.Max, Instances: 1}, "max-total-dollars-per-hour"},
		"total, both unreadable":           {total, rent(usd.Max, 0), guard.Load{Rate: usd.Max, Instances: 1}, "max-dollars-per-hour"},
		"count, under":                     {count, rent(limit, 0), guard.Load{Instances: 0}, ""},
		"count, at":                        {count, rent(limit, 0), guard.Load{Instances: 1}, ""},
		"count, over":                      {count, rent(limit, 0), guard.Load{Instances: 2}, "max-instances"},
		"count, far over":                  {count, rent(0, 0), guard.Load{Instances: 9}, "max-instances"},
		"lease, just under":                {lease, rent(limit, 24*time.Hour-1), guard.Load{}, ""},
		"lease, at":                        {lease, rent(limit, 24*time.Hour), guard.Load{}, ""},
		"lease, just over":                 {lease, rent(limit, 24*time.Hour+1), guard.Load{}, "max-lease"},
		"lease, less than none":            {lease, rent(limit, -1), guard.Load{}, "max-lease"},
		"lease, less than none, no limit":  {guard.Policy{}, rent(limit, -time.Hour), guard.Load{}, "max-lease"},
		"destroying is not judged":         {none, guard.Plan{Effect: guard.Destroy, Rate: usd.Max, Lease: time.Hour}, guard.Load{Rate: usd.Max, Instances: 9}, ""},
		"letting someone in is not judged": {none, guard.Plan{Effect: guard.Access, Rate: usd.Max, Lease: time.Hour}, guard.Load{Rate: usd.Max, Instances: 9}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.policy.Judge(c.plan, c.load)
			if c.limit == "" {
				require.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			require.Equal(t, c.limit, got.Limit)
			require.Equal(t, got.Message, got.Error())
			require.NotEmpty(t, got.Next)
		})
	}
}

func TestARefusalGivesTheFigures(t *testing.T) {
	policy := guard.Policy{MaxPerHour: new(usd.Dollar), MaxTotalPerHour: new(2 * usd.Dollar), MaxInstances: new(3), MaxLease: 36 * time.Hour}
	spend := guard.Plan{Effect: guard.Spend, Rate: 600_000, Lease: time.Hour}
	dear, unreadable, long := spend, spend, spend
	dear.Rate, unreadable.Rate, long.Lease = 1_200_000, usd.Max, 48*time.Hour
	for _, c := range []struct {
		plan          guard.Plan
		load          guard.Load
		message, next string
	}{
		{dear, guard.Load{}, "this costs $1.20/h and the owner allows $1.00/h for one instance", "choose an offer at $1.00/h or less, its disk included"},
		{unreadable, guard.Load{}, "the price cannot be read, so it counts as more than any limit", "choose another offer, or call again in a moment"},
		{
			spend,
			guard.Load{Rate: 1_500_000, Instances: 2},
			"running instances cost $1.50/h already; with $0.60/h more the total of $2.00/h would be passed", "an instance at $0.50/h or less would fit",
		},
		{
			spend,
			guard.Load{Rate: 2_000_000, Instances: 2},
			"running instances cost $2.00/h already; with $0.60/h more the total of $2.00/h would be passed", "nothing more fits: stop or destroy an instance first",
		},
		{
			spend,
			guard.Load{Rate: usd.Max, Instances: 2},
			"running instances cost an unreadable price/h already; with $0.60/h more the total of $2.00/h would be passed", "nothing more fits: stop or destroy an instance first",
		},
		{spend, guard.Load{Instances: 3}, "3 running or on order, and the owner allows 3", "stop or destroy an instance that is no longer needed"},
		{long, guard.Load{}, "a lease of 48 h is longer than the 36 h that the owner allows", "ask for lease_hours of 36 or less"},
	} {
		got := policy.Judge(c.plan, c.load)
		require.NotNil(t, got)
		require.Equal(t, c.message, got.Message)
		require.Equal(t, c.next, got.Next)
	}
}

func anAmount(label string, r *rapid.T) usd.Amount {
	return rapid.OneOf(
		rapid.Custom(func(r *rapid.T) usd.Amount { return usd.Amount(rapid.Int64Range(0, 5_000_000).Draw(r, "micros")) }),
		rapid.Just(usd.Max),
	).Draw(r, label)
}

func TestWhatIsDeniedIsDeniedOnTopOfMore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		policy := guard.Policy{
			MaxPerHour: new(anAmount("per hour", r)), MaxTotalPerHour: new(anAmount("total", r)),
			MaxInstances: new(rapid.IntRange(0, 5).Draw(r, "instances")), MaxLease: time.Duration(rapid.IntRange(0, 48).Draw(r, "lease")) * time.Hour,
		}
		plan := guard.Plan{Effect: guard.Spend, Rate: anAmount("rate", r), Lease: time.Duration(rapid.IntRange(0, 48).Draw(r, "hours")) * time.Hour}
		load := guard.Load{Rate: anAmount("running", r), Instances: rapid.IntRange(0, 5).Draw(r, "running instances")}
		more, heavier := plan, load
		more.Rate = more.Rate.Add(anAmount("dearer by", r))
		more.Lease += time.Duration(rapid.IntRange(0, 9).Draw(r, "longer by")) * time.Hour
		heavier.Rate = heavier.Rate.Add(anAmount("more running", r))
		heavier.Instances += rapid.IntRange(0, 2).Draw(r, "more instances")

		if policy.Judge(plan, load) != nil {
			require.NotNil(r, policy.Judge(more, heavier))
			return
		}
		require.LessOrEqual(r, plan.Rate, *policy.MaxPerHour)
		require.LessOrEqual(r, plan.Rate.Add(load.Rate), *policy.MaxTotalPerHour)
		require.Less(r, load.Instances, *policy.MaxInstances)
	})
}

// probe is what the caps are compared with when p is priced.
func (r *rig) requireLoad(p guard.Plan, instances int, rate string) {
	r.t.Helper()
	ask := func(policy guard.Policy) string {
		_, err := r.with(limits(policy)).Quote(r.t.Context(), call("probe"), p)
		require.Error(r.t, err)
		return err.Error()
	}
	require.Equal(r.t, fmt.Sprintf("%d running or on order, and the owner allows 0", instances), ask(guard.Policy{MaxInstances: new(0)}))
	require.Contains(r.t, ask(guard.Policy{MaxTotalPerHour: new(usd.Amount(0))}), fmt.Sprintf("running instances cost %s/h already;", rate))
}
