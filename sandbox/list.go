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
)

// Pages of the list of instances.
const (
	listPage    = 25
	listPageLow = 5 // what a limit below one means
)

var instanceColumns = columnsOf(instanceRow{})

// filterColumns are what the API has stored of an instance: it filters by
// these, not by what it computes.
var filterColumns = instanceColumns.only("id", "label", "actual_status", "intended_status", "cur_state", "next_state",
	"gpu_name", "verification", "machine_id", "host_id", "image_uuid", "start_date", "end_date", "template_id",
	"template_hash_id", "is_bid")

// listing is a request for a page of rows, understood.
type listing struct {
	filters []filter
	order   []ordering
	cols    []string // nil: all
	limit   int
	after   []cell // keys of the last row of the page before; nil: none
}

const badToken badQuery = "Invalid pagination token"

func parseListing(q url.Values) (listing, error) {
	l := listing{limit: listPage}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		l.limit = min(n, listPage)
		if n < 1 {
			l.limit = listPageLow
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
	if l.filters, err = filterColumns.filters(where); err != nil {
		return l, err
	}
	if l.order, err = instanceColumns.orderObjects(order); err != nil {
		return l, err
	}
	if !slices.ContainsFunc(l.order, func(o ordering) bool { return o.name == "id" }) {
		byID, _ := instanceColumns.by("id", "asc")
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
	l, err := parseListing(t.r.URL.Query())
	if errors.Is(err, badToken) {
		return refuse(http.StatusBadRequest, "invalid_token", err.Error())
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", err.Error())
	}
	var found []instanceRow
	labels := map[string]int{}
	for _, row := range t.instanceRows() {
		if !matches(reflect.ValueOf(row), l.filters) {
			continue
		}
		found = append(found, row)
		label := ""
		if row.Label != nil {
			label = *row.Label
		}
		labels[label]++
	}
	page, next := l.page(found)
	return reply(struct {
		Success        bool           `json:"success"`
		InstancesFound int            `json:"instances_found"`
		TotalInstances int            `json:"total_instances"`
		LabelCounts    map[string]int `json:"label_counts"`
		NextToken      *string        `json:"next_token"`
		Instances      any            `json:"instances"`
	}{true, len(page), len(found), labels, next, l.project(page)})
}

// page cuts the listing's page out of all rows, and the token of the next.
func (l listing) page(rows []instanceRow) ([]instanceRow, *string) {
	keysOf := func(row instanceRow) []cell { return keys(reflect.ValueOf(row), l.order) }
	slices.SortStableFunc(rows, func(a, b instanceRow) int { return compareKeys(keysOf(a), keysOf(b), l.order) })
	if l.after != nil {
		rows = slices.DeleteFunc(rows, func(row instanceRow) bool { return compareKeys(keysOf(row), l.after, l.order) <= 0 })
	}
	if len(rows) <= l.limit {
		return rows, nil
	}
	rows = rows[:l.limit]
	return rows, new(tokenFor(keysOf(rows[l.limit-1]), l.order))
}

// project keeps the columns asked for; one that doesn't exist is null.
func (l listing) project(rows []instanceRow) any {
	if l.cols == nil {
		return append([]instanceRow{}, rows...)
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
