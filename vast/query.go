package vast

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Pricing is a way to pay for an offer.
type Pricing string

// The ways to pay. An empty Pricing means OnDemand.
const (
	OnDemand      Pricing = "on-demand"
	Interruptible Pricing = "bid"
	Reserved      Pricing = "reserved"
)

// Filter selects rows in the API's own form: for each field one or more
// operators (eq neq gt gte lt lte in notin) with a value, all of which must
// hold. Units are those of the wire: memory in MB, durations in seconds.
type Filter map[string]map[string]any

// With returns a copy of f that also demands field op value.
func (f Filter) With(field, op string, value any) Filter {
	out := maps.Clone(f)
	if out == nil {
		out = Filter{}
	}
	ops := maps.Clone(out[field])
	if ops == nil {
		ops = map[string]any{}
	}
	ops[op] = value
	out[field] = ops
	return out
}

// check returns what is wrong with the filter, "" for nothing.
func (f Filter) check() string {
	for field, ops := range f {
		if len(ops) == 0 {
			return fmt.Sprintf("the filter on %q has no operator", field)
		}
		for op := range ops {
			if !slices.Contains([]string{"eq", "neq", "gt", "gte", "lt", "lte", "in", "notin"}, op) {
				return fmt.Sprintf("%q is not an operator of a filter; use eq neq gt gte lt lte in notin", op)
			}
		}
	}
	return ""
}

// text returns the filter as a query argument, {} when it is empty, or what
// is wrong with it.
func (f Filter) text() (argument, wrong string) {
	if len(f) == 0 {
		return "{}", ""
	}
	if wrong := f.check(); wrong != "" {
		return "", wrong
	}
	data, err := json.Marshal(f)
	if err != nil {
		return "", err.Error()
	}
	return string(data), ""
}

// Order sorts offers by a field.
type Order struct {
	Field string
	Desc  bool
}

// OfferQuery selects offers. Its zero value selects everything on demand,
// cheapest first, rented and unverified offers too: the API has no default
// filters.
type OfferQuery struct {
	Filter  Filter
	Pricing Pricing
	// DiskGB is the disk whose price is part of the offers' PerHour; 0
	// leaves it to the API, which takes 8 GB.
	DiskGB float64
	// Order defaults to the price, ascending.
	Order []Order
	// Limit is the number of rows, 64 at most, which is also the default.
	Limit int
}

const maxOffers = 64

// body returns the flat object that the search wants, filters beside
// options, or what is wrong with the query.
func (q OfferQuery) body() (body map[string]any, wrong string) {
	if wrong := q.Filter.check(); wrong != "" {
		return nil, wrong
	}
	body = map[string]any{}
	for field, ops := range q.Filter {
		switch field {
		case "order", "limit", "type", "allocated_storage":
			return nil, fmt.Sprintf("%q is an option of the search and cannot be filtered on", field)
		case "id":
			return nil, `a filter on "id" matches nothing; filter on "ask_contract_id"`
		}
		body[field] = ops
	}
	if q.DiskGB < 0 || math.IsNaN(q.DiskGB) || math.IsInf(q.DiskGB, 0) {
		return nil, "the size of the disk makes no sense"
	}
	if q.DiskGB > 0 {
		body["allocated_storage"] = q.DiskGB
	}
	body["type"] = q.Pricing
	if q.Pricing == "" {
		body["type"] = OnDemand
	}
	body["limit"] = q.limit()
	body["order"] = q.order()
	return body, ""
}

func (q OfferQuery) limit() int {
	if q.Limit <= 0 {
		return maxOffers
	}
	return min(q.Limit, maxOffers)
}

func (q OfferQuery) order() [][2]string {
	if len(q.Order) == 0 {
		return [][2]string{{"dph_total", "asc"}}
	}
	out := make([][2]string, 0, len(q.Order))
	for _, o := range q.Order {
		direction := "asc"
		if o.Desc {
			direction = "desc"
		}
		out = append(out, [2]string{o.Field, direction})
	}
	return out
}

// limit is one numeric condition of a filter.
type limit struct {
	field, op string
	want      float64
}

// limits are the numeric conditions, which the API has been seen to ignore.
func (f Filter) limits() []limit {
	var all []limit
	for field, ops := range f {
		if field == "target_reliability" {
			continue // a parameter of the search; rows carry 0
		}
		for op, value := range ops {
			if want := numeric(value); want.known {
				all = append(all, limit{field, op, want.value})
			}
		}
	}
	return all
}

// admits reports whether a row whose numbers are found by get keeps the
// limits. What is not a number keeps all.
func admits(limits []limit, get func(field string) number) bool {
	return !slices.ContainsFunc(limits, func(l limit) bool {
		got := get(l.field)
		return got.known && !holds(got.value, l.op, l.want)
	})
}

func holds(got float64, op string, want float64) bool {
	switch op {
	case "eq":
		return got == want
	case "neq":
		return got != want
	case "gt":
		return got > want
	case "gte":
		return got >= want
	case "lt":
		return got < want
	case "lte":
		return got <= want
	}
	return true
}

// numeric reads a filter's value as the API will.
func numeric(value any) (n number) {
	data, err := json.Marshal(value)
	if err == nil {
		_ = n.UnmarshalJSON(data)
	}
	return n
}
