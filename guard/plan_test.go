package guard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
)

func TestMostIsUpFrontAndTheWholeLease(t *testing.T) {
	for _, c := range []struct {
		plan guard.Plan
		want usd.Amount
	}{
		{guard.Plan{}, 0},
		{guard.Plan{Rate: 400_000, Lease: 24 * time.Hour}, 9_600_000},
		{guard.Plan{Rate: 400_000, Lease: 24 * time.Hour, Upfront: 1, DiskRate: usd.Dollar}, 9_600_001},
		{guard.Plan{Rate: 1, Lease: time.Nanosecond}, 1},
		{guard.Plan{Rate: usd.Max, Lease: time.Hour, Upfront: 1}, usd.Max},
	} {
		require.Equal(t, c.want, c.plan.Most())
	}
}

func TestTextTellsAllThatAYesIsAbout(t *testing.T) {
	rent := guard.Plan{
		Effect: guard.Spend, Summary: "Rent 1x RTX 4090", Facts: []guard.Fact{{"offer", "41"}}, Rate: 400_000, Lease: 24 * time.Hour,
		DiskRate: 20_000, Warnings: []string{"the machine is unverified"}, EnforcedBy: []string{guard.ByServer, guard.ByBackstop},
	}
	unenforced, mortal, free, end, unreadable := rent, rent, rent, rent, rent
	mortal.EnforcedBy, mortal.DiskRate, mortal.Warnings = []string{guard.ByServer}, 0, nil
	unenforced.EnforcedBy, unenforced.DiskRate, unenforced.Warnings = nil, 0, nil
	free.Free, end.Effect, unreadable.Rate = true, guard.Destroy, usd.Max
	for name, c := range map[string]struct {
		plan guard.Plan
		want string
	}{
		"a rental": {rent, `Rent 1x RTX 4090
  offer      41
  price      $0.40/h, at most $9.60 in 24 h, traffic not included
  stopped    the disk goes on costing $0.48 a day until it is destroyed
  enforced   by this server, only while it runs; by the instance itself (if its image has curl, GNU wget or python3)
  warning    the machine is unverified
`},
		"a rental that nobody ends": {unenforced, `Rent 1x RTX 4090
  offer      41
  price      $0.40/h, at most $9.60 in 24 h, traffic not included
  enforced   by nobody: no program ends this lease, so stop or destroy it yourself
`},
		"a rental that ends only while this server runs": {mortal, `Rent 1x RTX 4090
  offer      41
  price      $0.40/h, at most $9.60 in 24 h, traffic not included
  enforced   by this server, only while it runs
`},
		"a rental at a price that nobody knows": {unreadable, `Rent 1x RTX 4090
  offer      41
  price      an unreadable price/h, at most an unreadable price in 24 h, traffic not included
  stopped    the disk goes on costing $0.48 a day until it is destroyed
  enforced   by this server, only while it runs; by the instance itself (if its image has curl, GNU wget or python3)
  warning    the machine is unverified
`},
		"what is free": {free, `Rent 1x RTX 4090
  offer      41
  warning    the machine is unverified
`},
		"an end": {end, `Rent 1x RTX 4090
  offer      41
  warning    the machine is unverified
`},
	} {
		require.Equal(t, c.want, c.plan.Text(), name)
	}
	require.Len(t, rent.Facts, 1, "showing a plan does not change it")
}
