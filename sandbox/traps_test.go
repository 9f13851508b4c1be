package sandbox_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// trap is a fact of the API that trips up who writes a client. Its name
// begins with its number.
type trap struct {
	name  string
	holds func(scene)
}

// scene is where traps are seen: every offer of a market, and the rows of one
// instance at moments of its life. Traps that change more open a market of
// their own.
type scene struct {
	*rig
	listed   []obj
	offer    obj // what the instance is rented from, priced for its disk
	id       int64
	fresh    obj
	running  obj // for an hour and more
	stopping obj
	stopped  obj
	starting obj
}

const sceneDisk = 40

func newScene(t *testing.T) scene {
	t.Helper()
	r := newRig(t, sandbox.Options{})
	s := scene{rig: r, listed: r.all(nil)}
	s.offer = r.cheap(obj{"inet_down_cost": obj{"gt": 0}, "inet_up_cost": obj{"eq": 0}, "allocated_storage": sceneDisk})[3]
	s.id = r.rent(s.offer["id"], obj{"disk": sceneDisk, "env": obj{"A": "b", "-p 8000:8000": "1"}})
	s.fresh = r.instance(s.id)
	r.until(s.id, "running", 8*time.Minute)
	r.pass(time.Hour)
	s.running = r.instance(s.id)
	r.set(s.id, "stopped")
	s.stopping = r.instance(s.id)
	r.until(s.id, "exited", time.Minute)
	s.stopped = r.instance(s.id)
	r.set(s.id, "running")
	s.starting = r.instance(s.id)
	return s
}

func (s scene) rows() []obj { return []obj{s.fresh, s.running, s.stopping, s.stopped, s.starting} }

// market is another one, to change at will.
func (s scene) market() *rig { return newRig(s.t, sandbox.Options{}) }

// near wants a figure to be another.
func (s scene) near(want float64, row obj, key string) {
	s.t.Helper()
	require.InDelta(s.t, want, row[key], 1e-9, key)
}

func named(name string) obj { return obj{"gpu_name": obj{"eq": name}} }

func askPath(offer obj) string { return "/api/v0/asks/" + itoa(offer["id"]) + "/" }

func TestTraps(t *testing.T) {
	s := newScene(t)
	all := slices.Concat(
		trapsOfHardware(), trapsOfHosts(), trapsOfPrices(), trapsOfSearches(), trapsOfBids(),
		trapsOfStates(), trapsOfInstances(), trapsOfEncodings(), trapsOfRequests(),
	)
	const rows = 45
	var want, have []int
	for i, row := range all {
		number := 0
		_, err := fmt.Sscanf(row.name, "%d ", &number)
		require.NoError(t, err, row.name)
		want, have = append(want, i+1), append(have, number)
	}
	slices.Sort(have)
	require.Equal(t, want, have, "each number once, and none left out")
	require.Len(t, all, rows)
	for _, row := range all {
		t.Run(row.name, func(t *testing.T) {
			here := s
			here.rig = s.with(t)
			row.holds(here)
		})
	}
}

func trapsOfHardware() []trap {
	return []trap{
		{"1 RAM is in MB as the driver reports it", func(s scene) {
			for _, o := range s.listed {
				require.Greater(s.t, num(o, "gpu_ram"), 1000.0)
				require.Greater(s.t, num(o, "cpu_ram"), 1000.0)
				require.Equal(s.t, num(o, "gpu_ram")*num(o, "num_gpus"), o["gpu_total_ram"])
			}
			for name, ram := range map[string][]any{
				"RTX 4090": {24564.0}, "RTX 3090": {24576.0}, "RTX 5080": {16303.0}, "RTX 4060 Ti": {16380.0}, "L40S": {46068.0},
				"RTX A6000": {49140.0}, "H100 SXM": {81559.0}, "A100 SXM4": {40960.0, 81920.0},
			} {
				for _, o := range s.offers(named(name)) {
					require.Contains(s.t, ram, o["gpu_ram"], name)
				}
			}
			card := named("RTX 4090")
			card["gpu_ram"] = obj{"gte": 24 * 1000}
			require.NotEmpty(s.t, s.offers(card))
			card["gpu_ram"] = obj{"gte": 24 * 1024}
			require.Empty(s.t, s.offers(card), "it has a little less")
		}},
		{"2 CPU and its RAM are the whole machine's", func(s scene) {
			whole := map[any]obj{}
			for _, o := range s.listed {
				require.InDelta(s.t, num(o, "cpu_cores")*num(o, "gpu_frac"), o["cpu_cores_effective"], 1e-6)
				if other, ok := whole[o["machine_id"]]; ok {
					require.Equal(s.t, []any{other["cpu_ram"], other["cpu_cores"]}, []any{o["cpu_ram"], o["cpu_cores"]})
				}
				whole[o["machine_id"]] = o
			}
			require.Greater(s.t, len(s.listed), len(whole), "some are offered in slices")
		}},
		{"13 gpu_name has spaces", func(s scene) {
			for _, o := range s.listed {
				require.NotContains(s.t, o["gpu_name"], "_")
			}
			for _, name := range []string{"RTX 4090", "RTX 6000Ada", "H100 SXM", "A100 SXM4", "A100 PCIE", "RTX 4080S", "RTX 4070S Ti"} {
				require.NotEmpty(s.t, s.offers(named(name)), name)
				require.Empty(s.t, s.offers(named(strings.ReplaceAll(name, " ", "_"))), name)
			}
		}},
		{"15 compute_cap is times a hundred", func(s scene) {
			for _, o := range s.listed {
				if cc, ok := o["compute_cap"].(float64); ok {
					require.GreaterOrEqual(s.t, cc, 100.0)
				}
			}
			for name, cc := range map[string]any{"RTX 4090": 890.0, "RTX 5090": 1200.0, "InstinctMI210": nil} {
				require.Equal(s.t, cc, s.offers(named(name))[0]["compute_cap"], name)
			}
		}},
		{"19 has_avx, external, os_version and score", func(s scene) {
			for _, o := range s.listed {
				require.Contains(s.t, []any{0.0, 1.0}, o["has_avx"])
				require.Nil(s.t, o["external"])
				require.Regexp(s.t, `^\d\d\.\d\d$`, o["os_version"])
				require.NotEqual(s.t, math.Trunc(num(o, "score")), o["score"])
			}
			require.Equal(s.t, false, s.running["external"])
		}},
		{"20 driver_vers has three digits a part", func(s scene) {
			lengths := map[int]bool{}
			for _, o := range s.listed {
				parts := strings.Split(o["driver_version"].(string), ".")
				lengths[len(parts)] = true
				number := ""
				for i := range 3 {
					part := ""
					if i < len(parts) {
						part = parts[i]
					}
					number += strings.Repeat("0", 3-len(part)) + part
				}
				require.Equal(s.t, number, itoa(o["driver_vers"]), o["driver_version"])
			}
			require.Equal(s.t, map[int]bool{2: true, 3: true}, lengths, "a part that is missing is noughts")
		}},
	}
}

func trapsOfHosts() []trap {
	return []trap{
		{"10 inet_up and inet_down are in megabits, as the renter sees them", func(s scene) {
			fastest := 0.0
			for _, o := range s.listed {
				require.Greater(s.t, num(o, "inet_down"), 10.0)
				fastest = max(fastest, num(o, "inet_down"))
			}
			require.Greater(s.t, fastest, 1250.0, "more than ten gigabits are in MB")
			paid := map[string]bool{}
			for _, e := range s.ledger() {
				paid[e.Kind] = paid[e.Kind] || e.DollarsPerHour > 0
			}
			require.Equal(s.t, map[string]bool{"gpu": true, "disk": true, "download": true}, paid, "its host asks money only for what comes down")
		}},
		{"14 geolocation ends in two letters, and is asked for by these", func(s scene) {
			seen := map[any]bool{}
			for _, o := range s.listed {
				seen[o["geolocation"]] = true
				if o["geolocation"] != nil {
					require.Regexp(s.t, `, [A-Z]{2}$`, o["geolocation"])
				}
			}
			for _, place := range []any{"South Korea, KR", "Texas, US", ", US", nil} {
				require.Contains(s.t, seen, place)
			}
			american := s.offers(obj{"geolocation": obj{"in": []any{"US"}}})
			require.NotEmpty(s.t, american)
			for _, o := range american {
				require.True(s.t, strings.HasSuffix(o["geolocation"].(string), ", US"))
			}
			require.Empty(s.t, s.offers(obj{"geolocation": obj{"eq": "Texas, US"}}))
		}},
		{"16 verification is a word, vericode a number, verified a filter", func(s scene) {
			codes := map[any]any{}
			for _, o := range s.listed {
				require.NotContains(s.t, o, "verified")
				codes[o["verification"]] = o["vericode"]
			}
			require.Equal(s.t, map[any]any{"verified": 1.0, "unverified": 0.0, "deverified": 0.0}, codes)
			for _, o := range s.offers(obj{"verified": obj{"eq": true}}) {
				require.Equal(s.t, "verified", o["verification"])
			}
			require.Equal(s.t, s.offer["verification"], s.running["verification"])
		}},
		{"17 reliability is a share, twice", func(s scene) {
			lowest := 1.0
			for _, o := range s.listed {
				require.Equal(s.t, o["reliability"], o["reliability2"])
				require.LessOrEqual(s.t, num(o, "reliability"), 1.0)
				require.EqualValues(s.t, 0, o["expected_reliability"])
				lowest = min(lowest, num(o, "reliability"))
			}
			require.InDelta(s.t, 0.6, lowest, 0.1, "new machines begin there")
			require.Equal(s.t, s.offer["reliability2"], s.running["reliability2"])
		}},
		{"18 hosting_type is null on instances", func(s scene) {
			kinds := map[any]bool{}
			for _, o := range s.listed {
				kinds[o["hosting_type"]] = true
			}
			require.Equal(s.t, map[any]bool{0.0: true, 1.0: true}, kinds)
			require.Contains(s.t, s.running, "hosting_type")
			require.Nil(s.t, s.running["hosting_type"])
		}},
		{"21 duration is what is left until end_date", func(s scene) {
			for _, o := range s.listed {
				require.InDelta(s.t, num(o, "end_date")-float64(epoch.Unix()), o["duration"], 1e-3)
			}
			row := s.instance(s.id)
			require.InDelta(s.t, num(row, "end_date")-float64(s.wall.Unix()), row["duration"], 1e-3)
			require.Equal(s.t, s.offer["end_date"], row["end_date"])
		}},
		{"22 start_date is the listing's, or the contract's", func(s scene) {
			unknown := 0
			for _, o := range s.listed {
				if o["start_date"] == nil {
					unknown++
				} else {
					require.Less(s.t, num(o, "start_date"), float64(epoch.Unix()))
				}
			}
			require.Positive(s.t, unknown)
			require.Less(s.t, unknown, len(s.listed))
			require.EqualValues(s.t, epoch.Unix(), s.running["start_date"])
		}},
		{"44 webpage and logo are relative, or null", func(s scene) {
			for _, row := range append(s.rows(), s.listed...) {
				for _, key := range []string{"webpage", "logo"} {
					require.Contains(s.t, row, key)
					if row[key] != nil {
						require.Regexp(s.t, "^/[^/]", row[key])
					}
				}
			}
		}},
	}
}

func trapsOfPrices() []trap {
	return []trap{
		{"4 dph_total has the disk in it and the traffic not", func(s scene) {
			require.Positive(s.t, num(s.offer, "inet_down_cost"))
			s.near(num(s.offer, "dph_base")+num(s.offer, "storage_cost")*sceneDisk/720, s.offer, "dph_total")
			s.near(num(s.offer, "dph_total"), s.running, "dph_total")
		}},
		{"5 8 GB where no size is named, 1 for volumes", func(s scene) {
			for _, o := range s.listed {
				s.near(num(o, "storage_cost")*8/720, o, "storage_total_cost")
			}
			for _, o := range s.space(nil) {
				s.near(num(o, "storage_cost")/720, o, "storage_total_cost")
			}
			r := s.market()
			require.EqualValues(s.t, 8, r.instance(r.rent(r.cheap(nil)[3]["id"], obj{"disk": nil}))["disk_space"])
		}},
		{"6 dph_base is the GPUs alone", func(s scene) {
			for _, row := range append(s.rows(), s.listed...) {
				s.near(num(row, "dph_total")-num(row, "dph_base"), row, "storage_total_cost")
				s.near(num(row, "dph_base"), row["search"].(obj), "gpuCostPerHour")
			}
		}},
		{"7 dph_total stays when the instance stops", func(s scene) {
			require.Equal(s.t, s.running["dph_total"], s.stopped["dph_total"])
			s.near(num(s.running, "dph_total"), s.running["search"].(obj), "totalHour")
			s.near(num(s.stopped, "storage_total_cost"), s.stopped["instance"].(obj), "totalHour")
		}},
		{"8 storage_cost is by the month of 720 hours", func(s scene) {
			for _, e := range s.ledger() {
				if e.Kind == "disk" {
					require.InDelta(s.t, num(s.running, "storage_cost")*sceneDisk/720, e.DollarsPerHour, 1e-9)
				}
			}
			s.near(num(s.stopped, "storage_cost")*sceneDisk/720, s.stopped, "storage_total_cost")
		}},
		{"9 a TB is 1024 GB", func(s scene) {
			perTB := map[any]any{}
			for _, o := range append(s.rows(), s.listed...) {
				s.near(num(o, "inet_down_cost")*1024, o, "internet_down_cost_per_tb")
				s.near(num(o, "inet_up_cost")*1024, o, "internet_up_cost_per_tb")
				perTB[o["inet_down_cost"]] = o["internet_down_cost_per_tb"]
			}
			require.Equal(s.t, 40.0, perTB[0.0390625])
		}},
		{"11 dph_total_adj is a hint, not a price", func(s scene) {
			for _, o := range s.listed {
				s.near(num(o, "dph_total")+2*num(o, "inet_down_cost"), o, "dph_total_adj")
			}
		}},
		{"37 vram_costperhour is not the same figure on instances", func(s scene) {
			for _, o := range s.listed {
				s.near(num(o, "dph_base")/num(o, "gpu_total_ram")*1024, o, "vram_costperhour")
			}
			require.InDelta(s.t, num(s.running, "dph_total")/num(s.running, "gpu_totalram"), s.running["vram_costperhour"], 1e-12)
		}},
		{"38 charges have three decimals, credit is negative, cents are whole", func(s scene) {
			charges := objects(s.do(200, "GET", charged(0, 1<<40), nil)["results"])
			require.NotEmpty(s.t, charges)
			for _, row := range charges {
				require.InDelta(s.t, math.Round(num(row, "amount")*1000), num(row, "amount")*1000, 1e-6)
			}
			require.EqualValues(s.t, -100, objects(s.invoiced(everything, "")["results"])[0]["amount"])
			require.EqualValues(s.t, 10_000, s.array("/api/v0/invoices/?limit=1")[0]["amount_cents"])
		}},
	}
}

func trapsOfSearches() []trap {
	return []trap{
		{"32 an id finds nothing", func(s scene) {
			require.Empty(s.t, s.offers(obj{"id": obj{"eq": s.offer["id"]}}))
			require.Len(s.t, s.offers(obj{"ask_contract_id": obj{"eq": s.offer["id"]}}), 1)
		}},
		{"33 limit is a whole number", func(s scene) {
			require.Len(s.t, s.offers(obj{"limit": 5}), 5)
			require.Len(s.t, s.offers(obj{"limit": "5"}), 64, "a string is let be")
			require.Len(s.t, s.offers(obj{"limit": 3000}), 64, "the cap")
			require.Equal(s.t, "bad_request", s.do(400, "POST", bundles, obj{"limit": obj{"eq": 5}})["error"])
		}},
		{"45 offers sort by pairs, all else by objects", func(s scene) {
			pairs, columns := []any{[]any{"dph_total", "desc"}}, []any{obj{"col": "dph_total", "dir": "desc"}}
			dearest := s.offers(obj{"order": pairs})
			require.Greater(s.t, num(dearest[0], "dph_total"), num(dearest[63], "dph_total"))
			require.Equal(s.t, "invalid_request", s.do(400, "POST", bundles, obj{"order": columns})["error"])
			s.do(200, "GET", `/api/v1/instances/?order_by=[{"col":"id","dir":"desc"}]`, nil)
			require.Equal(s.t, "invalid_request", s.do(400, "GET", `/api/v1/instances/?order_by=[["id","desc"]]`, nil)["error"])
		}},
	}
}

func trapsOfBids() []trap {
	return []trap{
		{"12 min_bid moves with the bids of others", func(s scene) {
			r := s.market()
			offer := r.biddable()
			floor := num(offer, "min_bid")
			low := r.rent(offer["id"], obj{"price": floor})
			r.until(low, "running", 8*time.Minute)
			r.rent(offer["id"], obj{"price": floor + 0.05})
			s.near(floor+0.051, r.offers(obj{"ask_contract_id": obj{"eq": offer["id"]}})[0], "min_bid")
			s.near(floor+0.051, r.instance(low), "min_bid")

			require.True(s.t, slices.ContainsFunc(s.listed, func(o obj) bool { return num(o, "min_bid") > num(o, "dph_base") }), "more than on demand")
			none := r.cheap(obj{"min_bid": obj{"eq": 0}})[0]
			require.Empty(s.t, r.offers(obj{"type": "bid", "ask_contract_id": obj{"eq": none["id"]}}))
			require.Equal(s.t, "invalid_price", r.do(400, "PUT", askPath(none), obj{"image": "x", "price": 1})["error"])
		}},
		{"30 a bid is for all GPUs, a floor for each", func(s scene) {
			floors, sizes := map[any]float64{}, map[any]map[any]bool{}
			for _, o := range s.listed {
				machine := o["machine_id"]
				if floor, ok := floors[machine]; ok {
					require.InDelta(s.t, floor, num(o, "min_bid")/num(o, "num_gpus"), 1e-6)
				} else {
					floors[machine], sizes[machine] = num(o, "min_bid")/num(o, "num_gpus"), map[any]bool{}
				}
				sizes[machine][o["num_gpus"]] = true
			}
			r := s.market()
			offers := r.cheap(obj{"type": "bid", "num_gpus": obj{"gte": 2}, "min_bid": obj{"gt": 0.01}})
			offer := offers[slices.IndexFunc(offers, func(o obj) bool { return len(sizes[o["machine_id"]]) > 1 })]
			bid := obj{"image": "x", "price": num(offer, "min_bid") / num(offer, "num_gpus"), "cancel_unavail": true}
			require.Equal(s.t, "invalid_price", r.do(400, "PUT", askPath(offer), bid)["error"], "one GPU's price doesn't have them all")
			id := r.rent(offer["id"], obj{"price": offer["min_bid"]})
			r.until(id, "running", 8*time.Minute)
			s.near(num(offer, "min_bid"), r.instance(id), "dph_base")
			for _, e := range r.ledger() {
				if e.Kind == "gpu" {
					require.InDelta(s.t, num(offer, "min_bid"), e.DollarsPerHour, 1e-9)
				}
			}
		}},
		{"31 without a price it is on demand", func(s scene) {
			r := s.market()
			offer := r.cheap(obj{"type": "bid"})[3]
			listed := r.offers(obj{"ask_contract_id": obj{"eq": offer["id"]}})[0]
			require.Less(s.t, num(offer, "dph_base"), num(listed, "dph_base"))
			row := r.instance(r.rent(offer["id"], obj{"disk": 8}))
			require.Equal(s.t, false, row["is_bid"])
			require.Equal(s.t, listed["dph_total"], row["dph_total"])
		}},
	}
}
