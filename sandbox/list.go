package sandbox

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"sync"
)

// table is what may be asked of a list that has pages.
type table struct {
	filtered, sorted columns
	page, most       int // rows of a page without a limit, and at most
	low              int // what a limit below one means
}

var instanceColumns = sync.OnceValue(func() columns {
	return columnsOf(instanceRow{})
})

// filterColumns are what the API has stored of an instance: it filters by
// these, not by what it computes.
var filterColumns = sync.OnceValue(func() columns {
	return instanceColumns().only("id", "label", "actual_status", "intended_status", "cur_state", "next_state",
		"gpu_name", "verification", "machine_id", "host_id", "image_uuid", "start_date", "end_date", "template_id",
		"template_hash_id", "is_bid")
})

var instanceTable = sync.OnceValue(func() table {
	return table{filtered: filterColumns(), sorted: instanceColumns(), page: 25, most: 25, low: 5}
})

// listing is a request for a page of rows, understood.
type listing struct {
	filters []filter
	order   []ordering
	cols    []string // nil: all
	limit   int
	after   []cell // keys of the last row of the page before; nil: none
}

const badToken badQuery = "Invalid pagination token"

func (of table) parse(q url.Values) (listing, error) {
	l := listing{limit: of.page}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		l.limit = min(n, of.most)
		if n < 1 {
			l.limit = of.low
		}
	}
	var where map[string]any
	var order []struct{ Col, Dir string }
	if !argument(q, "select_filters", &where) || !argument(q, "order_by", &order) || !argument(q, "select_cols", &l.cols) {
		return l, badQuery(inQuery + "they are not JSON of the right shape")
	}
	if slices.Contains(l.cols, "*") {
		l.cols = nil
	}
	var err error
	if l.filters, err = of.filtered.filters(where); err != nil {
		return l, err
	}
	if l.order, err = of.sorted.orderObjects(order); err != nil {
		return l, err
	}
	if !slices.ContainsFunc(l.order, func(o ordering) bool { return o.name == "id" }) {
		byID, _ := of.sorted.by("id", "asc")
		l.order = append(l.order, byID)
	}
	if token := q.Get("after_token"); token != "" {
		l.after, err = parseToken(token, l.order)
	}
	return l, err
}

// argument reads JSON out of a query's argument, if it is there.
func argument(q url.Values, name string, v any) bool {
	return !q.Has(name) || json.Unmarshal([]byte(cmp.Or(q.Get(name), "null")), v) == nil
}

// tokenFor names the row that a page ended with by its keys, so that the next
// page starts behind it even when it is gone by then.
func tokenFor(keys []cell, order []ordering) string {
	values := map[string]any{}
	for i, o := range order {
		switch {
		case keys[i].null:
			values[o.name] = nil
		case o.kind == text:
			values[o.name] = keys[i].text
		default:
			values[o.name] = keys[i].num
		}
	}
	return base64.StdEncoding.EncodeToString(encode(map[string]any{"values": values}))
}

func parseToken(token string, order []ordering) ([]cell, error) {
	var in struct{ Values map[string]any }
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(raw, &in) != nil {
		return nil, badToken
	}
	keys := make([]cell, len(order))
	for i, o := range order {
		value, have := in.Values[o.name]
		key, ok := cellFrom(value, o.kind)
		if !have || !ok {
			return nil, badToken
		}
		keys[i] = key
	}
	return keys, nil
}

// listInstances answers GET /api/v1/instances/.
func (t *tx) listInstances() answer {
	l, err := instanceTable().parse(t.r.URL.Query())
	if err != nil {
		return badListing(err)
	}
	read := t.storedRow
	if l.sortsBeyond(filterColumns()) {
		read = t.listedRow
	}
	var row instanceRow
	fields := reflect.ValueOf(&row).Elem()
	var found []keyed[*contract]
	labels := map[string]int{}
	for _, c := range t.visible() {
		row = read(c)
		if !matches(fields, l.filters) {
			continue
		}
		found = append(found, keyed[*contract]{keys(fields, l.order), c})
		label := ""
		if row.Label != nil {
			label = *row.Label
		}
		labels[label]++
	}
	chosen, next := cut(l, found)
	page := make([]instanceRow, 0, len(chosen))
	for _, k := range chosen {
		page = append(page, t.listedRow(k.of))
	}
	return reply(struct {
		Success        bool           `json:"success"`
		InstancesFound int            `json:"instances_found"`
		TotalInstances int            `json:"total_instances"`
		LabelCounts    map[string]int `json:"label_counts"`
		NextToken      *string        `json:"next_token"`
		Instances      any            `json:"instances"`
	}{true, len(page), len(found), labels, next, project(l, page)})
}

func badListing(err error) answer {
	if errors.Is(err, badToken) {
		return refuse(http.StatusBadRequest, "invalid_token", err.Error())
	}
	return refuse(http.StatusBadRequest, "invalid_request", err.Error())
}

// keyed is something to be listed, with what it is sorted by.
type keyed[T any] struct {
	keys []cell
	of   T
}

// cut sorts, and cuts out the listing's page and the token of the next.
func cut[T any](l listing, all []keyed[T]) ([]keyed[T], *string) {
	if l.after != nil {
		all = slices.DeleteFunc(all, func(k keyed[T]) bool { return compareKeys(k.keys, l.after, l.order) <= 0 })
	}
	slices.SortStableFunc(all, func(a, b keyed[T]) int { return compareKeys(a.keys, b.keys, l.order) })
	if len(all) <= l.limit {
		return all, nil
	}
	all = all[:l.limit]
	return all, new(tokenFor(all[l.limit-1].keys, l.order))
}

// pageOf is the listing's page of all rows, and the token of the next.
func pageOf[row any](l listing, rows []row) ([]row, *string) {
	all := make([]keyed[*row], 0, len(rows))
	for i := range rows {
		all = append(all, keyed[*row]{keys(reflect.ValueOf(&rows[i]).Elem(), l.order), &rows[i]})
	}
	chosen, next := cut(l, all)
	var page []row
	for _, k := range chosen {
		page = append(page, *k.of)
	}
	return page, next
}

// sortsBeyond is true where rows need more than the given columns to be
// sorted.
func (l listing) sortsBeyond(stored columns) bool {
	return slices.ContainsFunc(l.order, func(o ordering) bool { _, ok := stored[o.name]; return !ok })
}

// project keeps the columns asked for; one that doesn't exist is null.
func project[row any](l listing, rows []row) any {
	if l.cols == nil {
		return append([]row{}, rows...)
	}
	chosen := make([]map[string]any, 0, len(rows))
	for _, row := range rows {
		var all map[string]any
		_ = json.Unmarshal(encode(row), &all) // it was just encoded
		some := map[string]any{}
		for _, col := range l.cols {
			some[col] = all[col]
		}
		chosen = append(chosen, some)
	}
	return chosen
}

// instanceFilters answers GET /instances/filters/: which values there are to
// filter by, each combination once.
func (t *tx) instanceFilters() answer {
	type filters struct {
		ActualStatus *string `json:"actual_status"`
		Verification string  `json:"verification"`
		GPUName      string  `json:"gpu_name"`
	}
	found, seen := []filters{}, map[string]bool{}
	for _, c := range t.visible() {
		row := t.storedRow(c)
		f := filters{row.ActualStatus, row.Verification, row.GPUName}
		if key := string(encode(f)); !seen[key] {
			seen[key] = true
			found = append(found, f)
		}
	}
	return reply(map[string]any{"filters": found})
}

// countInstances answers GET /instances/count/.
func (t *tx) countInstances() answer {
	return reply(map[string]any{"success": true, "count": len(t.visible())})
}
