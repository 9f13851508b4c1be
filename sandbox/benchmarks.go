package sandbox

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"
)

const firstBenchmark = 3_400_001

// benchmark is what somebody measured on a machine.
type benchmark struct {
	ID           int64   `json:"id"`
	LastUpdate   float64 `json:"last_update"`
	TemplateHash string  `json:"template_hash"`
	TemplateID   int64   `json:"template_id"`
	LaunchArgs   string  `json:"launch_args"`
	Type         string  `json:"type"`
	MachineID    int64   `json:"machine_id"`
	ContractID   int64   `json:"contract_id"`
	NumGPUs      int64   `json:"num_gpus"`
	GPUName      string  `json:"gpu_name"`
	Image        string  `json:"image"`
	Value        float64 `json:"value"`
	Details      string  `json:"details"`
	DPHBase      float64 `json:"dph_base"`
}

var benchmarkTable = sync.OnceValue(func() table {
	all := columnsOf(benchmark{})
	return table{filtered: all, sorted: all, page: 100, most: 1000, low: 100}
})

func benchmarkRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/benchmarks/", op: "benchmarks", access: inMisc, handle: (*tx).listBenchmarks},
	}
}

// benchmarks are one or two of every second machine, all from before the
// market's birth.
func (w *world) benchmarks(born time.Time) []benchmark {
	var rows []benchmark
	templates := curated()
	for _, a := range w.offers {
		d := newDice(w.seed, fmt.Sprintf("benchmark %d", a.m.index))
		if a.gpus != a.m.gpus || d.chance(0.5) {
			continue
		}
		for range 1 + d.IntN(2) {
			template := one(d, templates...)
			perSecond := round(a.m.dlperf*float64(a.gpus)*d.between(8, 12), 2)
			rows = append(rows, benchmark{
				ID:         firstBenchmark + int64(len(rows)),
				LastUpdate: unix(born.Add(-d.duration(time.Hour, 90*day))), TemplateHash: template.HashID, TemplateID: template.ID,
				Type: "llm", MachineID: a.m.id, ContractID: 30_000_000 + d.Int64N(9_000_000),
				NumGPUs: int64(a.gpus), GPUName: a.m.model.name, Image: template.Image,
				Value: perSecond, Details: asJSON(map[string]float64{"tokens_per_second": perSecond}), DPHBase: a.base(),
			})
		}
	}
	return rows
}

// listBenchmarks answers GET /benchmarks/.
func (t *tx) listBenchmarks() answer {
	q := t.r.URL.Query()
	if q.Has("query") {
		return refuse(http.StatusBadRequest, "invalid_request", inQuery+"query is not a parameter")
	}
	l, err := benchmarkTable().parse(q)
	if err != nil {
		return badListing(err)
	}
	unknown := 0
	for i, col := range l.cols { // the API answers so, too
		if _, known := benchmarkTable().sorted[col]; !known {
			unknown++
			l.cols[i] = fmt.Sprintf("anon_%d", unknown)
		}
	}
	found := slices.DeleteFunc(t.world.benchmarks(t.st.Born), func(b benchmark) bool { return !matches(reflect.ValueOf(b), l.filters) })
	page, next := pageOf(l, found)
	return reply(struct {
		Success    bool    `json:"success"`
		Benchmarks any     `json:"benchmarks"`
		Found      int     `json:"benchmarks_found"`
		NextToken  *string `json:"next_token"`
	}{true, project(l, page), len(page), next})
}
