package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// The API serves no more than rowCap offers, whatever limit says, and prices
// defaultStorage GB of disk where a search names no size.
const (
	rowCap         = 64
	defaultStorage = 8
)

var offerColumns = sync.OnceValue(func() columns {
	return columnsOf(offerRow{})
})

// offerAliases are columns that stand for others.
var offerAliases = map[string]string{
	"allocated_storage":  "disk_space",
	"cuda_vers":          "cuda_max_good",
	"display_active":     "gpu_display_active",
	"dlperf_usd":         "dlperf_per_dphtotal",
	"dph":                "dph_total",
	"dphtotal":           "dph_total",
	"driver_version":     "driver_vers",
	"flops_usd":          "flops_per_dphtotal",
	"gpu_totalram":       "gpu_total_ram",
	"target_reliability": "expected_reliability",
	"ubuntu_version":     "os_version",
}

// searchOptions are keys of a search that are no filters, unless they hold an
// object and there is a column of that name.
var searchOptions = []string{
	"allocated_storage", "disable_bundling", "extra_ids", "gpu_option", "has_avx", "limit", "order", "resource_type",
	"show_incompatible", "sort_option", "target_reliability", "template_id", "type",
}

// search is a request for offers, understood.
type search struct {
	kind    string
	storage float64
	limit   int
	filters []filter
	order   []ordering
	nothing bool // filters by id, which the API lets through and never matches
}

// parseSearch reads the flat object of filters and options. The API has two
// validations, and two codes: of the shape, and of the columns.
func parseSearch(q map[string]any) (search, string, error) { return offerColumns().search(q) }

// search reads a search among rows that have these columns.
func (c columns) search(q map[string]any) (search, string, error) {
	s := search{kind: onDemand, storage: defaultStorage, limit: rowCap}
	if err := s.checkShape(q); err != nil {
		return s, "bad_request", err
	}
	if err := s.readOptions(q); err != nil {
		return s, "bad_request", err
	}
	byColumn := map[string]any{}
	for name, value := range q {
		if _, isFilter := value.(map[string]any); !isFilter {
			continue
		}
		if name == "id" {
			s.nothing = true
			continue
		}
		name, value = resolveAlias(name, value)
		merge(byColumn, name, value.(map[string]any))
	}
	var err error
	if s.filters, err = c.filters(byColumn); err != nil {
		return s, "invalid_request", err
	}
	if s.order, err = c.orderPairs(q["order"]); err != nil {
		return s, "invalid_request", err
	}
	return s, "", nil
}

// checkShape finds everything that should have been an object.
func (s *search) checkShape(q map[string]any) error {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(q)) {
		_, isObject := q[name].(map[string]any)
		switch {
		case name == "limit" && isObject:
			wrong = append(wrong, "limit: Input should be a valid integer")
		case !isObject && !slices.Contains(searchOptions, name):
			wrong = append(wrong, fmt.Sprintf("q.%s: Input should be a valid dictionary", name))
		}
	}
	if len(wrong) > 0 {
		return badQuery(strings.Join(wrong, "; "))
	}
	return nil
}

func (s *search) readOptions(q map[string]any) error {
	if limit, ok := q["limit"].(float64); ok && limit >= 1 {
		s.limit = int(min(limit, rowCap))
	}
	switch gb := q["allocated_storage"].(type) {
	case float64:
		s.storage = gb
	case string:
		if c, ok := cellFromString(gb, number); ok {
			s.storage = c.num
		}
	}
	if !(s.storage >= 0 && s.storage <= 1e6) {
		return badQuery("allocated_storage: Input should be a size in GB")
	}
	switch q["type"] {
	case nil, "on-demand", "ondemand":
	case "bid", "reserved":
		s.kind = q["type"].(string)
	default:
		return badQuery("type: Input should be 'on-demand', 'ondemand', 'bid' or 'reserved'")
	}
	return nil
}

// resolveAlias names the real column, and makes a driver's version the number
// that it is compared as.
func resolveAlias(name string, value any) (string, any) {
	if name == "driver_version" {
		ops := maps.Clone(value.(map[string]any))
		for op, v := range ops {
			ops[op] = driverNumbers(v)
		}
		value = ops
	}
	return cmp.Or(offerAliases[name], name), value
}

// driverNumbers turns 535.86.05 into 535086005, also in lists.
func driverNumbers(v any) any {
	switch v := v.(type) {
	case []any:
		numbers := make([]any, len(v))
		for i := range v {
			numbers[i] = driverNumbers(v[i])
		}
		return numbers
	case string:
		if !strings.Contains(v, ".") {
			return v
		}
		parts := append(strings.Split(v, "."), "0", "0")
		version := 0.0
		for _, part := range parts[:3] {
			c, ok := cellFromString(part, number)
			if !ok {
				return v
			}
			version = version*1000 + c.num
		}
		return version
	default:
		return v
	}
}

// merge adds operators to what a column has already under another name.
func merge(q map[string]any, name string, ops map[string]any) {
	have, ok := q[name].(map[string]any)
	if !ok {
		q[name] = ops
		return
	}
	both := maps.Clone(have)
	maps.Copy(both, ops)
	q[name] = both
}

// orderPairs reads [["field","asc"],…]; without one the score decides.
func (c columns) orderPairs(v any) ([]ordering, error) {
	pairs, ok := v.([]any)
	if v != nil && !ok {
		return nil, badQuery(inQuery + "order needs a list of [field, direction]")
	}
	if len(pairs) == 0 {
		pairs = []any{[]any{"score", "desc"}}
	}
	var order []ordering
	for _, p := range pairs {
		pair, ok := p.([]any)
		if !ok || len(pair) != 2 {
			return nil, badQuery(inQuery + "order needs a list of [field, direction]")
		}
		name, _ := pair[0].(string)
		by, err := c.by(cmp.Or(offerAliases[name], name), pair[1])
		if err != nil {
			return nil, err
		}
		order = append(order, by)
	}
	return order, nil
}

// searchOffers answers POST /bundles/.
func (t *tx) searchOffers() answer { return t.searchBody(t.body) }

// searchOffersByQuery answers GET /bundles/?q=.
func (t *tx) searchOffersByQuery() answer {
	return t.searchBody([]byte(cmp.Or(t.r.URL.Query().Get("q"), "{}")))
}

// searchAsks answers PUT /search/asks/, which wraps the same query.
func (t *tx) searchAsks() answer {
	var in struct {
		Q json.RawMessage `json:"q"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if in.Q == nil {
		in.Q = json.RawMessage("{}")
	}
	found := t.searchBody(in.Q)
	if found.status == http.StatusOK {
		found.body = append(found.body[:len(found.body)-1], `,"truncated":false}`...)
	}
	return found
}

func (t *tx) searchBody(body []byte) answer {
	var q map[string]any
	if json.Unmarshal(body, &q) != nil {
		return badJSON()
	}
	s, code, err := parseSearch(q)
	if err != nil {
		return refuse(http.StatusBadRequest, code, err.Error())
	}
	return reply(map[string]any{"offers": t.find(s)})
}

// find looks at every offer in one row that is used again, keeps what the
// matches are sorted by, and fills in rows for the few to be served.
func (t *tx) find(s search) []offerRow {
	type match struct {
		a    *ask
		s    standing
		keys []cell
	}
	v := t.view()
	v.storage, v.kind = s.storage, s.kind
	claims := t.claims()
	var row offerRow
	fields := reflect.ValueOf(&row).Elem()
	var found []match
	for _, a := range t.world.offers {
		standing := a.standing(claims[a.m.index])
		row = a.row(v, standing)
		if s.nothing || !row.onSale(s.kind) || !matches(fields, s.filters) {
			continue
		}
		found = append(found, match{a: a, s: standing, keys: keys(fields, s.order)})
	}
	slices.SortFunc(found, func(a, b match) int {
		return cmp.Or(compareKeys(a.keys, b.keys, s.order), cmp.Compare(a.a.id, b.a.id))
	})
	found = found[:min(len(found), s.limit)]
	rows := make([]offerRow, len(found))
	for i, f := range found {
		rows[i] = f.a.row(v, f.s)
	}
	return rows
}

// onSale tells whether the offer has a price of the kind.
func (row *offerRow) onSale(kind string) bool {
	switch kind {
	case forBid:
		return row.MinBid > 0
	case reserved:
		return row.DiscountRate > 0
	default:
		return true
	}
}

// listGPUNames answers GET /gpu_names/unique/.
func (t *tx) listGPUNames() answer {
	return reply(map[string]any{"gpu_names": gpuNames()})
}

// listGPUTypes answers GET /gpu_types/.
func (t *tx) listGPUTypes() answer {
	type row struct {
		Name string `json:"canonical_name"`
		RAM  int64  `json:"gpu_ram_mb"`
	}
	rows := []row{}
	for _, g := range catalogue {
		rows = append(rows, row{g.name, g.ram})
	}
	return reply(map[string]any{"gpu_types": rows})
}
