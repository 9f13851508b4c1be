package tools_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
)

type found struct {
	Offers []struct {
		OfferID     int64   `json:"offer_id"`
		MachineID   int64   `json:"machine_id"`
		GPUName     string  `json:"gpu_name"`
		GPURAMGB    float64 `json:"gpu_ram_gb"`
		PerHour     float64 `json:"dollars_per_hour"`
		GPUPerHour  float64 `json:"gpu_dollars_per_hour"`
		DiskPerHour float64 `json:"disk_dollars_per_hour"`
		Reliability float64 `json:"reliability"`
		Region      string  `json:"region"`
		MinBid      float64 `json:"min_bid_dollars_per_hour"`
	} `json:"offers"`
	AppliedFilter map[string]any `json:"applied_filter"`
	LeftOut       string         `json:"left_out"`
}

func search(t *testing.T, r *rig.Rig, args string) (f found) {
	t.Helper()
	r.Must(&f, "search_offers", args)
	return f
}

func TestSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})

		t.Log("a name as people write it, or a family")
		for _, name := range []string{"RTX_4090", "rtx 4090", "4090", "NVIDIA GeForce RTX 4090", "rtx4090"} {
			asked, err := json.Marshal(map[string]any{"gpu_names": []string{name}})
			require.NoError(t, err)
			f := search(t, r, string(asked))
			require.Equal(t, []any{"RTX 4090"}, f.AppliedFilter["gpu_names"], name)
			require.NotEmpty(t, f.Offers)
		}
		require.Equal(t, []any{"H100 NVL", "H100 PCIE", "H100 SXM"}, search(t, r, `{"gpu_names":["H100"]}`).AppliedFilter["gpu_names"])

		t.Log("24 GB finds a 24564 MB card, 48 GB a 46068 MB one, 80 GB no 40 GB one")
		for _, gb := range []string{"24", "48", "80"} {
			f := search(t, r, `{"min_gpu_ram_gb":`+gb+`,"limit":64}`)
			require.NotEmpty(t, f.Offers)
		}
		for _, o := range search(t, r, `{"gpu_names":["A100"],"min_gpu_ram_gb":80,"limit":64}`).Offers {
			require.Greater(t, o.GPURAMGB, 70.0)
		}

		t.Log("the price is for the disk asked")
		small, large := search(t, r, `{"gpu_names":["RTX 4090"],"disk_gb":10,"limit":1}`).Offers[0], search(t, r, `{"gpu_names":["RTX 4090"],"disk_gb":80,"limit":64}`)
		require.InDelta(t, small.PerHour, small.GPUPerHour+small.DiskPerHour, 2e-6)
		for _, o := range large.Offers {
			if o.OfferID == small.OfferID {
				require.InDelta(t, small.DiskPerHour*8, o.DiskPerHour, 1e-5)
			}
		}

		t.Log("limits, regions and strategies")
		f := search(t, r, `{"max_dollars_per_hour":0.5,"regions":["Europe"],"min_reliability":0.99,"limit":64}`)
		for _, o := range f.Offers {
			require.LessOrEqual(t, o.PerHour, 0.5)
			require.GreaterOrEqual(t, o.Reliability, 0.99)
			require.NotContains(t, o.Region, "US")
		}
		require.Equal(t, []any{"Europe"}, f.AppliedFilter["regions"])
		cheapest, second := search(t, r, `{"limit":1}`).Offers[0], search(t, r, `{"limit":1,"strategy":"second_cheapest"}`)
		require.NotEqual(t, cheapest.MachineID, second.Offers[0].MachineID)
		require.Contains(t, second.LeftOut, "cheapest machine is left out")
		reliable := search(t, r, `{"strategy":"most_reliable","limit":5}`).Offers
		require.GreaterOrEqual(t, reliable[0].Reliability, reliable[4].Reliability)
		require.NotEmpty(t, search(t, r, `{"strategy":"best_value"}`).Offers)
		require.Less(t, search(t, r, `{"gpu_names":["RTX 4090"],"interruptible":true,"limit":1}`).Offers[0].PerHour, small.PerHour)
	})
}

func TestNothingMatchesSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		f := search(t, r, `{"gpu_names":["RTX 4090"],"max_dollars_per_hour":0.01}`)
		require.Empty(t, f.Offers)
		require.Contains(t, f.LeftOut, "Without max_dollars_per_hour there would be")
		f = search(t, r, `{"gpu_names":["RTX 4090"],"max_dollars_per_hour":0.01,"min_gpu_ram_gb":500}`)
		require.Contains(t, f.LeftOut, "loosen several")
		bad := r.Fails(tool.InvalidArguments, "search_offers", `{"query":{"rentable":{"eq":false}}}`)
		require.Contains(t, bad.Message, "rentable")
	})
}

func TestListGPUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		var out struct {
			GPUs []struct {
				Name     string  `json:"gpu_name"`
				GB       float64 `json:"gpu_ram_gb"`
				Offers   int     `json:"offers"`
				Cheapest float64 `json:"cheapest_dollars_per_gpu_hour"`
				Median   float64 `json:"median_dollars_per_gpu_hour"`
			} `json:"gpus"`
			LeftOut string `json:"left_out"`
		}
		r.Must(&out, "list_gpus", `{}`)
		require.Greater(t, len(out.GPUs), 60)
		require.Empty(t, out.LeftOut)
		for _, g := range out.GPUs {
			require.Positive(t, g.Offers)
			require.LessOrEqual(t, g.Cheapest, g.Median, g.Name)
		}
		r.Must(&out, "list_gpus", `{"gpu_names":["H100"]}`)
		require.LessOrEqual(t, len(out.GPUs), 3)
		r.Break("search:after:delay=40000:1")
		r.Fails(tool.Unavailable, "list_gpus", `{}`)
	})
}
