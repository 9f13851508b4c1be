package sandbox_test

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/sandbox"
)

// all reads every offer, page by page, for a search shows 64 at most.
func (r *rig) all(query obj) []obj {
	r.t.Helper()
	var found []obj
	for from := 0.0; ; {
		q := obj{"ask_contract_id": obj{"gt": from}, "order": []any{[]any{"ask_contract_id", "asc"}}}
		maps.Copy(q, query)
		page := r.offers(q)
		found = append(found, page...)
		if len(page) < 64 {
			return found
		}
		from = num(page[63], "id")
	}
}

func num(row obj, key string) float64 { return row[key].(float64) }

func TestTheMarketIsLargeAndVaried(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.all(obj{"rentable": obj{"eq": true}})
	models, countries := map[any]int{}, map[string]bool{}
	for _, o := range offers {
		models[o["gpu_name"]]++
		if place, ok := o["geolocation"].(string); ok {
			countries[place[strings.LastIndex(place, ",")+1:]] = true
		}
	}
	require.GreaterOrEqual(t, len(offers), 500)
	require.GreaterOrEqual(t, len(models), 60)
	require.GreaterOrEqual(t, len(countries), 20)
	require.NotEmpty(t, r.offers(obj{"rentable": obj{"eq": false}}), "others rent, too")
	require.Equal(t, r.offers(nil), newRig(t, sandbox.Options{}).offers(nil), "the seed decides")
	require.NotEqual(t, r.offers(nil), newRig(t, sandbox.Options{Seed: 2}).offers(nil))
}

// priceRange is the 10th and the 90th percentile of what a model is let for,
// in dollars per GPU and hour.
var priceRange = map[string][2]float64{
	"RTX 5090": {0.33, 0.95}, "RTX 4090": {0.25, 0.80}, "RTX 3090": {0.12, 0.30}, "RTX 3060": {0.04, 0.10},
	"GTX 1080": {0.03, 0.08}, "Quadro P2000": {0.02, 0.05}, "RTX A4000": {0.07, 0.17}, "RTX A6000": {0.34, 0.62},
	"RTX 6000Ada": {0.46, 0.85}, "RTX PRO 6000 WS": {0.85, 1.60}, "L40S": {0.45, 0.95}, "H100 SXM": {1.50, 2.90},
	"H200": {2.20, 4.00}, "B200": {3.00, 5.60}, "Tesla T4": {0.08, 0.20}, "InstinctMI250X": {0.70, 1.40},
	"RX 7900 XTX": {0.14, 0.32}, "A100 SXM4": {0.45, 1.35}, "Tesla V100": {0.10, 0.40}, "GH200 SXM": {1.10, 2.30},
}

func TestOffersArePlausible(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	seen, ids := map[string]bool{}, map[any]bool{}
	for _, o := range r.all(nil) {
		name, n := o["gpu_name"].(string), num(o, "num_gpus")
		if bounds, ok := priceRange[name]; ok {
			seen[name] = true
			require.GreaterOrEqual(t, num(o, "dph_base")/n, bounds[0]-1e-9, name)
			require.LessOrEqual(t, num(o, "dph_base")/n, bounds[1]+1e-9, name)
		}
		require.False(t, ids[o["id"]], "ids are unique")
		ids[o["id"]] = true
		require.Equal(t, o["id"], o["ask_contract_id"])
		require.Equal(t, num(o, "gpu_ram")*n, num(o, "gpu_total_ram"))
		require.GreaterOrEqual(t, num(o, "gpu_ram"), 5120.0, "MB")
		require.Len(t, o["gpu_ids"], int(n))
		require.InDelta(t, num(o, "cpu_cores")*num(o, "gpu_frac"), num(o, "cpu_cores_effective"), 1e-9)
		require.Equal(t, o["reliability"], o["reliability2"])
		require.Greater(t, num(o, "reliability"), 0.55)
		require.LessOrEqual(t, num(o, "reliability"), 1.0)
		require.Equal(t, o["verification"] == "verified", num(o, "vericode") == 1)
		require.Contains(t, []any{"verified", "unverified", "deverified"}, o["verification"])
		require.LessOrEqual(t, num(o, "inet_down"), 10_000.0, "Mb/s")
		require.LessOrEqual(t, num(o, "inet_up"), num(o, "inet_down"))
		require.LessOrEqual(t, num(o, "inet_down_cost"), 0.0390625)
		require.LessOrEqual(t, num(o, "storage_cost"), 0.5)
		require.Greater(t, num(o, "duration"), 0.0)
		require.Equal(t, o["gpu_arch"] == "amd", o["compute_cap"] == nil)
	}
	require.Len(t, seen, len(priceRange))
}

// The API's prices are one arithmetic; clients compute them again.
func TestOfferArithmetic(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for _, kind := range []string{"on-demand", "bid", "reserved"} {
		for _, storage := range []float64{8, 5, 40, 333.25} {
			for _, o := range r.offers(obj{"type": kind, "allocated_storage": storage}) {
				near := func(want float64, key string) {
					t.Helper()
					require.InDelta(t, want, num(o, key), 1e-12+want*1e-12, key)
				}
				disk := num(o, "storage_cost") * storage / 720
				total := num(o, "dph_base") + disk
				near(disk, "storage_total_cost")
				near(total, "dph_total")
				near(total+2*num(o, "inet_down_cost"), "dph_total_adj")
				near(num(o, "dlperf")/total, "dlperf_per_dphtotal")
				near(num(o, "total_flops")/total, "flops_per_dphtotal")
				near(num(o, "inet_up_cost")*1024, "internet_up_cost_per_tb")
				near(num(o, "inet_down_cost")*1024, "internet_down_cost_per_tb")
				near(num(o, "dph_base")/num(o, "gpu_total_ram")*1024, "vram_costperhour")
				near(num(o, "storage_cost")/720, "avail_vol_dph")
				near(total*(1-num(o, "discount_rate")), "discounted_dph_total")
				require.InDelta(t, num(o, "end_date")-float64(epoch.Unix()), num(o, "duration"), 1)
				now, stopped := o["search"].(obj), o["instance"].(obj)
				require.Equal(t, []any{o["dph_base"], o["storage_total_cost"], o["dph_total"]}, []any{now["gpuCostPerHour"], now["diskHour"], now["totalHour"]})
				require.Equal(t, []any{0.0, o["storage_total_cost"], o["storage_total_cost"]}, []any{stopped["gpuCostPerHour"], stopped["diskHour"], stopped["totalHour"]})
				require.Equal(t, kind == "bid", o["is_bid"])
				require.Equal(t, kind == "reserved", num(o, "discount_rate") > 0)
			}
		}
	}
	plain := r.offers(obj{"limit": 1})[0]
	require.InDelta(t, num(plain, "storage_cost")*8/720, num(plain, "storage_total_cost"), 1e-12, "8 GB where no size is named")
}

// Where two prices are given for bids, the floor is a share of the price for
// most hosts, and above it for some.
func TestMinimumBids(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	below, above, none := 0, 0, 0
	for _, o := range r.all(obj{"rentable": obj{"eq": true}}) {
		switch bid := num(o, "min_bid"); {
		case bid == 0:
			none++
		case bid < num(o, "dph_base"):
			below++
		default:
			above++
		}
	}
	require.Greater(t, below, 5*above)
	require.Positive(t, above)
	require.Positive(t, none)
	for _, o := range r.all(obj{"type": "bid"}) {
		require.Positive(t, num(o, "min_bid"))
	}
}

// Every machine is offered in powers of two and whole, and what is rented of
// it takes the slices that overlap off the market, and no others.
func TestSlices(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	byMachine := map[float64][]obj{}
	for _, o := range r.all(nil) {
		byMachine[num(o, "machine_id")] = append(byMachine[num(o, "machine_id")], o)
	}
	for id, slices := range byMachine {
		total := 0.0
		for _, o := range slices {
			total = max(total, num(o, "num_gpus"))
			require.True(t, math.Exp2(math.Round(math.Log2(num(o, "num_gpus")))) == num(o, "num_gpus") || num(o, "gpu_frac") == 1, "%v", id)
		}
		for _, o := range slices {
			require.InDelta(t, num(o, "num_gpus")/total, num(o, "gpu_frac"), 1e-12)
		}
	}
}

func TestOverlappingSlicesLeaveTheMarketTogether(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Credit: 1000}
	r := newRig(t, o)
	var machine any
	for _, o := range r.offers(obj{"num_gpus": obj{"eq": 4}, "gpu_frac": obj{"eq": 0.5}, "rentable": obj{"eq": true}, "disk_space": obj{"gte": 300}}) {
		machine = o["machine_id"]
	}
	require.NotNil(t, machine)
	rapid.Check(t, func(rt *rapid.T) {
		r.empty(o)
		slices := r.offers(obj{"machine_id": obj{"eq": machine}})
		held := map[any]int64{} // GPU to instance
		for range rapid.IntRange(1, 5).Draw(rt, "steps") {
			o := slices[rapid.IntRange(0, len(slices)-1).Draw(rt, "slice")]
			if o["rentable"] == true {
				id := r.rent(o["id"], obj{"disk": 8})
				for _, gpu := range o["gpu_ids"].([]any) {
					held[gpu] = id
				}
			} else if id := held[o["gpu_ids"].([]any)[0]]; id != 0 {
				r.do(200, "DELETE", path(id), obj{})
				for gpu, by := range held {
					if by == id {
						delete(held, gpu)
					}
				}
			}
			slices = r.offers(obj{"machine_id": obj{"eq": machine}})
			for _, o := range slices {
				free := true
				for _, gpu := range o["gpu_ids"].([]any) {
					free = free && held[gpu] == 0
				}
				require.Equal(rt, free, o["rentable"], "offer %v", o["id"])
			}
		}
	})
}

func TestDiskIsShared(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.offers(obj{"gpu_frac": obj{"eq": 0.5}, "rentable": obj{"eq": true}, "disk_space": obj{"gte": 200}})[0]
	machine := obj{"machine_id": obj{"eq": offer["machine_id"]}, "gpu_frac": obj{"eq": 1}}
	before := num(r.offers(machine)[0], "disk_space")
	r.rent(offer["id"], obj{"disk": 60})
	require.InDelta(t, before-60, num(r.offers(machine)[0], "disk_space"), 1e-6)
}

// A host lists his machine anew when its time is over: the market doesn't
// run dry.
func TestOffersAreListedAnew(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	short := obj{"rentable": obj{"eq": true}, "num_gpus": obj{"gte": 4}}
	before := len(r.all(short))
	r.pass(2 * 365 * 24 * time.Hour)
	require.Len(t, r.all(short), before)
}
