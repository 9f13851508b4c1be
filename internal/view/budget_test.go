package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/golden"
	"vast-mcp/internal/usd"
	"vast-mcp/internal/view"
)

// standing is an account with two rentals, a stopped disk and a ceiling.
func standing(t *testing.T) guard.Standing {
	t.Helper()
	now := time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)
	flags := guard.Policy{MaxInstances: new(3), KeepCredit: new(5 * usd.Dollar), MaxPerHour: new(usd.Dollar), DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour}
	ceiling := guard.Ceiling{Limits: map[string]string{guard.LimitDailyBudget: "10", guard.LimitTotal: "1.50", guard.LimitAllowRegion: "Europe,US"}, Mode: guard.Operator}
	in, err := ceiling.Under(flags, guard.Client)
	require.NoError(t, err)
	return guard.Standing{
		InForce: in, Unread: guard.Need{Charges: true},
		Load: guard.Load{
			Rate: 1_250_000, Instances: 2, Now: now, Spent: 3_217_500, Credit: new(usd.Amount(17_250_000)), Strangers: 1,
			Bills: []guard.Bill{
				{Ours: true, Rate: 250_000, Until: now.Add(26 * time.Hour), After: 4_445},
				{Rate: usd.Dollar},
				{Ours: true, Until: now, After: 10_000},
			},
		},
	}
}

func TestBudget(t *testing.T) {
	b := view.OfBudget(standing(t), true)
	golden.JSON(t, "../../testdata/resources/budget.json", b)
	golden.Text(t, "../../testdata/resources/budget.txt", b.Text())
	for line := range strings.Lines(b.Text()) {
		require.LessOrEqual(t, len([]rune(line)), 81, line)
	}
	none := view.OfBudget(guard.Standing{}, false)
	require.Equal(t, []view.Used{}, none.Limits, "a list, not null")
	require.Len(t, none.Days, 1, "today")
	require.Nil(t, none.Days[0].Left)
}

func TestPolicyInForce(t *testing.T) {
	p := view.OfPolicy(standing(t).InForce, true)
	golden.JSON(t, "../../testdata/resources/policy.json", p)
	golden.Text(t, "../../testdata/resources/policy.txt", p.Text())
}
