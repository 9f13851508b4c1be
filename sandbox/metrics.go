package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	leastShown    = 10  // GPUs of a model that the overview tells of
	historyPoints = 20  // where no step is given
	mostPoints    = 500 // of a history
)

func metricsRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/metrics/gpu/current/", op: "metrics", access: inMachineRead, handle: (*tx).currentMetrics},
		{method: http.MethodGet, path: "/api/v0/metrics/gpu/history/", op: "metrics", access: inMachineRead, handle: (*tx).metricsHistory},
		{method: http.MethodGet, path: "/api/v0/metrics/gpu/locations/", op: "metrics", access: inMachineRead, handle: (*tx).metricsLocations},
	}
}

// hostsOnly refuses the renter's key, and has nothing to tell to one that may
// ask and has no machines.
func (t *tx) hostsOnly(rows string, none any) (answer, bool) {
	if t.key != nil {
		return reply(map[string]any{"success": true, rows: none, "needs_machine": true}), false
	}
	return lacksGroup(inMachineRead), t.isHost()
}

// census counts the GPUs of one model.
type census struct {
	Total             int64     `json:"total"`
	Available         int64     `json:"available"`
	RentedVerified    int64     `json:"rented_verified"`
	AvailVerified     int64     `json:"avail_verified"`
	RentedUnverified  int64     `json:"rented_unverified"`
	AvailUnverified   int64     `json:"avail_unverified"`
	rented, available []float64 // dollars per hour
	tflops, dlperf    []float64
}

func (c *census) add(m *machine, rented int) {
	free := m.gpus - rented
	c.Total += int64(m.gpus)
	c.Available += int64(free)
	if m.verification == "verified" {
		c.RentedVerified += int64(rented)
		c.AvailVerified += int64(free)
	} else {
		c.RentedUnverified += int64(rented)
		c.AvailUnverified += int64(free)
	}
	c.rented = append(c.rented, slices.Repeat([]float64{m.perGPU}, rented)...)
	c.available = append(c.available, slices.Repeat([]float64{m.perGPU}, free)...)
	c.tflops, c.dlperf = append(c.tflops, m.model.tflops), append(c.dlperf, m.dlperf)
}

func (c *census) usage() float64 {
	return round(100*float64(c.Total-c.Available)/float64(c.Total), 1)
}

// percentile of values in dollars per hour; 0 where there are none.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return round(sorted[int(p*float64(len(sorted)-1))], 4)
}

// metricsFilter is which machines count.
type metricsFilter struct{ verified, hosting, gpus string }

func parseMetrics(q url.Values) (metricsFilter, error) {
	f := metricsFilter{cmp.Or(q.Get("verified"), "yes"), cmp.Or(q.Get("hosting_type"), "all"), cmp.Or(q.Get("num_gpus"), "all")}
	switch {
	case !slices.Contains([]string{"yes", "no", "all"}, f.verified):
		return f, badQuery("verified must be 'yes', 'no', or 'all'")
	case !slices.Contains([]string{"all", "secure_cloud", "community"}, f.hosting):
		return f, badQuery("hosting_type must be 'all', 'secure_cloud', or 'community'")
	}
	return f, nil
}

func (f metricsFilter) counts(m *machine) bool {
	return (f.verified == "all" || (f.verified == "yes") == (m.verification == "verified")) &&
		(f.hosting == "all" || (f.hosting == "secure_cloud") == m.datacenter) &&
		(f.gpus == "all" || f.gpus == fmt.Sprint(m.gpus))
}

// machinesNow is every machine with how many of its GPUs are rented now.
func (t *tx) machinesNow() map[*machine]int {
	rented := map[*machine]int{}
	byIndex := map[int]*machine{}
	for _, a := range t.world.offers {
		rented[a.m], byIndex[a.m.index] = a.m.rented[1], a.m
	}
	for _, c := range t.st.Contracts {
		if m := byIndex[c.Machine]; m != nil && c.holds() {
			rented[m] = min(rented[m]+c.GPUs, m.gpus)
		}
	}
	return rented
}

func (t *tx) census(f metricsFilter) map[string]*census {
	all := map[string]*census{}
	rented := t.machinesNow()
	for _, m := range slices.SortedFunc(maps.Keys(rented), func(a, b *machine) int { return cmp.Compare(a.index, b.index) }) {
		if !f.counts(m) {
			continue
		}
		if all[m.model.name] == nil {
			all[m.model.name] = &census{}
		}
		all[m.model.name].add(m, rented[m])
	}
	return all
}

// gpuRow is the market for one model now.
type gpuRow struct {
	GPUName string `json:"gpu_name"`
	*census
	Usage           float64 `json:"usage"`
	Usage30d        float64 `json:"usage_30d"`
	DLPerf          float64 `json:"dlperf"`
	TFLOPS          float64 `json:"tflops"`
	PriceP10        float64 `json:"price_p10"`
	PriceP25        float64 `json:"price_p25"`
	PriceMedian     float64 `json:"price_median"`
	PriceP75        float64 `json:"price_p75"`
	PriceP90        float64 `json:"price_p90"`
	TFLOPSPerDollar float64 `json:"tflops_per_dollar"`
	DLPerfPerDollar float64 `json:"dlperf_per_dollar"`
}

// currentMetrics answers GET /metrics/gpu/current/, commonest model first.
func (t *tx) currentMetrics() answer {
	if refusal, ok := t.hostsOnly("gpus", []gpuRow{}); !ok {
		return refusal
	}
	f, err := parseMetrics(t.r.URL.Query())
	if err != nil {
		return invalidArgs("%v", err)
	}
	rows := []gpuRow{}
	for name, c := range t.census(f) {
		if c.Total >= leastShown {
			rows = append(rows, c.row(name))
		}
	}
	slices.SortFunc(rows, func(a, b gpuRow) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.GPUName, b.GPUName))
	})
	return reply(map[string]any{"success": true, "gpus": rows})
}

func (c *census) row(name string) gpuRow {
	prices := slices.Concat(c.rented, c.available)
	row := gpuRow{
		GPUName: name, census: c, Usage: c.usage(), Usage30d: c.usage(), DLPerf: percentile(c.dlperf, 0.9), TFLOPS: percentile(c.tflops, 0.9),
		PriceP10: percentile(prices, 0.1), PriceP25: percentile(prices, 0.25), PriceMedian: percentile(prices, 0.5),
		PriceP75: percentile(prices, 0.75), PriceP90: percentile(prices, 0.9),
	}
	row.TFLOPSPerDollar, row.DLPerfPerDollar = round(perDollar(row.TFLOPS, row.PriceMedian), 2), round(perDollar(row.DLPerf, row.PriceMedian), 2)
	return row
}

// moments are the points of a history: the last day in twenty, or as asked.
func (t *tx) moments() ([]int64, error) {
	q := t.r.URL.Query()
	end, start, step := t.now.Unix(), t.now.Add(-day).Unix(), int64(0)
	for name, value := range map[string]*int64{"start": &start, "end": &end, "step": &step} {
		if q.Get(name) != "" && json.Unmarshal([]byte(q.Get(name)), value) != nil {
			return nil, badQuery("start, end, and step must be integers")
		}
	}
	if start > end || start < 0 || end > t.now.Add(farthestWindow).Unix() {
		return nil, badQuery("start must be <= end")
	}
	if step < 1 {
		step = max((end-start)/historyPoints, 1)
	}
	step = max(step, (end-start)/mostPoints)
	var at []int64
	for moment := start; moment <= end; moment += step {
		at = append(at, moment)
	}
	return at, nil
}

// metricsHistory answers GET /metrics/gpu/history/. The market stands still
// but for what the account rents, so its history is what it is now, with some
// of the free GPUs rented from day to day.
func (t *tx) metricsHistory() answer {
	if refusal, ok := t.hostsOnly("gpus", struct{}{}); !ok {
		return refusal
	}
	q := t.r.URL.Query()
	f, err := parseMetrics(q)
	if err != nil {
		return invalidArgs("%v", err)
	}
	at, err := t.moments()
	if err != nil {
		return invalidArgs("%v", err)
	}
	wanted := strings.Split(cmp.Or(q.Get("gpu_name"), "RTX 5090,RTX 4090,RTX 3090"), ",")
	for i := range wanted {
		wanted[i] = strings.ReplaceAll(strings.TrimSpace(wanted[i]), "_", " ")
	}
	gpus := map[string]any{}
	for name, c := range t.census(f) {
		if slices.Contains(wanted, name) || slices.Contains(wanted, "all") {
			gpus[name] = c.history(name, t.st.Seed, at)
		}
	}
	return reply(map[string]any{"success": true, "gpus": gpus})
}

func (c *census) history(name string, seed uint64, at []int64) map[string]any {
	same := func(f float64) []float64 { return slices.Repeat([]float64{f}, len(at)) }
	counts := map[string]any{"timestamps": at, "total": slices.Repeat([]int64{c.Total}, len(at))}
	for key, rented := range map[string]int64{"verified": c.RentedVerified, "unverified": c.RentedUnverified} {
		free := c.AvailVerified
		if key == "unverified" {
			free = c.AvailUnverified
		}
		var let, left []int64
		for _, moment := range at {
			more := int64(newDice(seed, fmt.Sprintf("history %s %s %d", name, key, moment/int64(day/time.Second))).between(0, 0.3) * float64(free))
			let, left = append(let, rented+more), append(left, free-more)
		}
		counts["rented_"+key], counts["avail_"+key] = let, left
	}
	row := c.row(name)
	return map[string]any{
		"supply_demand": counts,
		"pricing": map[string]any{
			"timestamps": at,
			"rented_p10": same(percentile(c.rented, 0.1)), "rented_median": same(percentile(c.rented, 0.5)), "rented_p90": same(percentile(c.rented, 0.9)),
			"avail_p10": same(percentile(c.available, 0.1)), "avail_median": same(percentile(c.available, 0.5)), "avail_p90": same(percentile(c.available, 0.9)),
		},
		"stats": map[string]float64{
			"tflops": row.TFLOPS, "dlperf": row.DLPerf, "tflops_per_dollar": row.TFLOPSPerDollar, "dlperf_per_dollar": row.DLPerfPerDollar,
		},
	}
}

// locationRow is where GPUs of a kind stand.
type locationRow struct {
	Latitude    float64 `json:"latitude"`
	Longitude   float64 `json:"longitude"`
	City        string  `json:"city"`
	CountryCode string  `json:"country_code"`
	GPUName     string  `json:"gpu_name"`
	Rented      bool    `json:"rented"`
	Verified    bool    `json:"verified"`
	Datacenter  bool    `json:"datacenter"`
	NumGPUs     int64   `json:"num_gpus"`
}

// metricsLocations answers GET /metrics/gpu/locations/. The places on the map
// are made up, one for each country.
func (t *tx) metricsLocations() answer {
	if refusal, ok := t.hostsOnly("locations", []locationRow{}); !ok {
		return refusal
	}
	rows := map[locationRow]int64{}
	for m, rented := range t.machinesNow() {
		d := newDice(t.st.Seed, "place "+m.country)
		row := locationRow{
			CountryCode: m.country, GPUName: m.model.name, Verified: m.verification == "verified", Datacenter: m.datacenter,
			Latitude: round(d.between(-40, 60), 4), Longitude: round(d.between(-120, 140), 4),
		}
		rows[row] += int64(m.gpus - rented)
		row.Rented = true
		rows[row] += int64(rented)
	}
	all := []locationRow{}
	for row, gpus := range rows {
		if row.NumGPUs = gpus; gpus > 0 {
			all = append(all, row)
		}
	}
	slices.SortFunc(all, func(a, b locationRow) int { return strings.Compare(string(encode(a)), string(encode(b))) })
	return reply(map[string]any{"success": true, "locations": all})
}
