package tools_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
)

// under is a rig whose owner set these limits.
func under(t *testing.T, p guard.Policy) *rig.Rig {
	t.Helper()
	p.DefaultLease, p.MaxLease = 24*time.Hour, 168*time.Hour
	return rig.New(t, rig.Options{Policy: p})
}

func TestASearchShowsWhatIsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := under(t, guard.Policy{MaxPerHour: new(usd.Dollar / 5), AllowRegions: []string{"Europe", "JP"}})
		f := search(t, r, `{"limit":64,"verified_only":false}`)
		require.NotEmpty(t, f.Offers)
		places := map[string]bool{}
		for _, o := range f.Offers {
			require.LessOrEqual(t, o.PerHour, 0.2)
			places[o.Region[len(o.Region)-2:]] = true
		}
		require.Subset(t, guard.RegionCodes([]string{"Europe", "JP"}), slices.Collect(maps.Keys(places)))
		require.EqualValues(t, 0.2, f.AppliedFilter["owner_max_dollars_per_hour"])
		require.Equal(t, []any{"Europe", "JP"}, f.AppliedFilter["allow_region"])

		f = search(t, r, `{"limit":64,"max_dollars_per_hour":0.1,"regions":["JP","US"]}`)
		require.EqualValues(t, 0.1, f.AppliedFilter["max_dollars_per_hour"], "the caller's is tighter")
		require.NotContains(t, f.AppliedFilter, "owner_max_dollars_per_hour")
		for _, o := range f.Offers {
			require.Equal(t, "JP", o.Region[len(o.Region)-2:])
		}
		require.Contains(t, r.Fails(tool.OverPolicy, "search_offers", `{"regions":["US"]}`).Next, "Europe, JP")
		for _, query := range []string{`{"dph_total":{"lte":5}}`, `{"geolocation":{"in":["US"]}}`} {
			require.Contains(t, r.Fails(tool.InvalidArguments, "search_offers", `{"query":`+query+`}`).Message, "owner")
		}
		for _, query := range []string{`{"dph_total":{"gte":0.5}}`, `{"geolocation":{"eq":"US"}}`, `{"geolocation":{"notin":["SE"]}}`} {
			for _, o := range search(t, r, `{"limit":64,"query":`+query+`}`).Offers {
				require.LessOrEqual(t, o.PerHour, 0.2, query)
				require.NotEqual(t, "US", o.Region[len(o.Region)-2:], query)
			}
		}
		var gpus struct {
			AppliedFilter map[string]any `json:"applied_filter"`
		}
		r.Must(&gpus, "list_gpus", `{}`)
		require.Contains(t, gpus.AppliedFilter, "allow_region")
	})
}

// TestARefusalNamesAnOfferThatFits: and it does.
func TestARefusalNamesAnOfferThatFits(t *testing.T) {
	named := regexp.MustCompile(`^1x .+ at (\$[0-9.]+)/h would fit \(offer (\d+)\); or `)
	for limit, policy := range map[string]guard.Policy{
		guard.LimitPerHour:     {MaxPerHour: new(usd.Dollar / 5)},
		guard.LimitPerRental:   {MaxPerRental: new(4 * usd.Dollar), AllowRegions: []string{"Europe"}},
		guard.LimitDailyBudget: {DailyBudget: new(3 * usd.Dollar)},
		guard.LimitKeepCredit:  {KeepCredit: new(96 * usd.Dollar)},
	} {
		t.Run(limit, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := under(t, policy)
				offer := rig.New(t, rig.Options{}).Offer("RTX 4090") // which a search under the policy may leave out
				if policy.AllowRegions != nil {
					offer = r.Offer("RTX 4090")
				}
				before := r.Requests("POST", "/bundles/")
				f := r.Fails(tool.OverPolicy, "create_instance", create(offer, `,"disk_gb":50`))
				require.Contains(t, f.Message, "--"+limit)
				require.Equal(t, 2, r.Requests("POST", "/bundles/")-before, "the look at the offer, and one search")
				require.Regexp(t, named, f.Next)
				other := named.FindStringSubmatch(f.Next)[2]
				got := decode(t, r.Call("create_instance", fmt.Sprintf(`{"offer_id":%s,%s,"disk_gb":50}`, other, image)))
				require.Equal(t, tool.ApprovalNeeded, got.Status)
			})
		})
	}
}

func TestImagesAndRegionsOfARental(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		offer := rig.New(t, rig.Options{}).Offer("RTX 4090")
		r := under(t, guard.Policy{AllowImages: []string{"nvidia/*"}})
		require.Contains(t, r.Fails(tool.OverPolicy, "create_instance", create(offer, "")).Next, "nvidia/*")
		r = under(t, guard.Policy{AllowImages: []string{"pytorch/*"}})
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", create(offer, ""))).Status)
		r = under(t, guard.Policy{AllowRegions: []string{"Africa"}})
		require.Contains(t, r.Fails(tool.OverPolicy, "create_instance", create(offer, "")).Message, "the owner allows Africa")
	})
}

// priced is the quote of a call that needs approval.
type priced struct {
	Quote struct {
		Most      float64  `json:"most_dollars"`
		AfterStop float64  `json:"after_stop_dollars_per_day"`
		Warnings  []string `json:"warnings"`
	} `json:"quote"`
}

// TestAQuoteIsWhatIsChargedAtMost: over its lease a rental costs no more than
// quoted, traffic apart, and its disk afterwards exactly what was quoted.
func TestAQuoteIsWhatIsChargedAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := under(t, guard.Policy{})
		for i, c := range []struct{ disk, lease float64 }{{8, 0.5}, {33.3, 2}, {120, 7.25}, {57, 24}} {
			found := search(t, r, fmt.Sprintf(`{"limit":64,"disk_gb":%g}`, c.disk))
			args := create(found.Offers[i*3].OfferID, fmt.Sprintf(`,"disk_gb":%g,"lease_hours":%g`, c.disk, c.lease))
			var p priced
			require.NoError(t, json.Unmarshal(r.Call("create_instance", args).Structured, &p))
			began := r.Market.Now()
			id := decode(t, r.Approved("create_instance", args)).InstanceID
			until := began.Add(time.Duration(c.lease * float64(time.Hour)))
			for r.Market.Now().Before(until) {
				<-time.After(time.Minute)
			}
			r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, id))
			charged, after := 0.0, 0.0
			entries, err := r.Market.Ledger()
			require.NoError(t, err)
			for _, e := range entries {
				if e.InstanceID != id || e.Kind != "gpu" && e.Kind != "disk" {
					continue
				}
				end := until
				if !e.End.IsZero() && e.End.Before(end) {
					end = e.End
				}
				charged += e.DollarsPerHour * max(end.Sub(e.Start), 0).Hours()
				if e.Kind == "disk" {
					after = e.DollarsPerHour * 24
				}
			}
			require.Positive(t, charged)
			require.LessOrEqual(t, charged, p.Quote.Most+1e-9, "%+v", c)
			require.Greater(t, charged, p.Quote.Most*0.9, "and not much more than it is quoted")
			require.InDelta(t, after, p.Quote.AfterStop, 24e-6, "%+v", c)
		}
	})
}

// TestWhatWasSpentStaysSpent: a rental that is destroyed frees what it would have
// cost, and not what it did.
func TestWhatWasSpentStaysSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := under(t, guard.Policy{DailyBudget: new(usd.Dollar)})
		offer := r.Offer("RTX 4090") // about $0.26 an hour
		args := create(offer, `,"lease_hours":3,"on_expiry":"destroy"`)
		id := decode(t, r.Approved("create_instance", args)).InstanceID
		<-time.After(16 * time.Minute) // 160 minutes of market time
		r.Approved("destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, id))
		f := r.Fails(tool.OverPolicy, "create_instance", create(r.Offer("RTX 4090"), `,"lease_hours":3,"on_expiry":"destroy"`))
		require.Regexp(t, `on \d{4}-\d\d-\d\d \(UTC\) \$0\.[67]\d+ are spent and \$0\.00 committed already; with \$0\.77\d* more the daily budget of \$1\.00 would be passed`, f.Message)
		var p priced
		require.NoError(t, json.Unmarshal(r.Call("create_instance", create(r.Offer("RTX 4090"), `,"lease_hours":0.9,"on_expiry":"destroy"`)).Structured, &p))
		require.Len(t, p.Quote.Warnings, 1)
		require.Contains(t, p.Quote.Warnings[0], "of the $1.00 for ")
		require.Positive(t, r.Requests("GET", "/charges/"))
	})
}

func TestChargesAndCreditAreReadOnlyWhereTheyCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for limit, policy := range map[string]guard.Policy{
			"none": {MaxInstances: new(3)}, "charges": {DailyBudget: new(99 * usd.Dollar)}, "credit": {KeepCredit: new(usd.Dollar)},
		} {
			r := under(t, policy)
			offer := r.Offer("RTX 4090")
			r.Call("create_instance", create(offer, ""))
			users := 1 // for the account's name
			if limit == "credit" {
				users++
			}
			require.Equal(t, users, r.Requests("GET", "/users/current/"), limit)
			require.Equal(t, limit == "charges", r.Requests("GET", "/charges/") == 1, limit)
		}
		r := under(t, guard.Policy{KeepCredit: new(usd.Dollar)})
		offer := r.Offer("RTX 4090")
		r.Call("create_instance", create(offer, ""))
		r.Break("user:before:500:99")
		<-time.After(time.Minute)
		require.NotNil(t, r.Call("create_instance", create(offer, `,"label":"x"`)).Failure, "credit that cannot be read denies")
		r = under(t, guard.Policy{DailyBudget: new(99 * usd.Dollar)})
		r.Break("charges:before:500:99")
		require.Equal(t, tool.ApprovalNeeded, decode(t, r.Call("create_instance", create(offer, ""))).Status, "charges that cannot be read are what was seen")
	})
}
