package sandbox

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// filter is one condition on one column.
type filter struct {
	field int
	op    string
	want  []cell
}

// ordering is one key to sort by.
type ordering struct {
	name  string
	field int
	kind  kind
	desc  bool
}

// badQuery is a request that the API refuses; it is the message.
type badQuery string

func (b badQuery) Error() string { return string(b) }

const inQuery = "Error in query parameters: "

// filters reads {column: {op: value}} objects, in the columns' order.
func (c columns) filters(q map[string]any) ([]filter, error) {
	var all []filter
	for _, name := range slices.Sorted(maps.Keys(q)) {
		col, known := c[name]
		if !known {
			return nil, badQuery(fmt.Sprintf(inQuery+"%s is not a valid search key", name))
		}
		ops, ok := q[name].(map[string]any)
		if !ok {
			return nil, badQuery(fmt.Sprintf(inQuery+"%s needs an object of operators", name))
		}
		for _, op := range slices.Sorted(maps.Keys(ops)) {
			f, err := col.filter(name, op, ops[op])
			if err != nil {
				return nil, err
			}
			all = append(all, f)
		}
	}
	return all, nil
}

func (c column) filter(name, op string, value any) (filter, error) {
	f := filter{field: c.field, op: op}
	values := []any{value}
	switch op {
	case "eq", "neq":
	case "gt", "gte", "lt", "lte":
		if name == "geolocation" {
			return f, badQuery(fmt.Sprintf(inQuery+"%s is not a valid search op for %s", op, name))
		}
	case "in", "notin":
		list, ok := value.([]any)
		if !ok {
			return f, badQuery(fmt.Sprintf(inQuery+"%s of %s needs a list", op, name))
		}
		values = list
	default:
		return f, badQuery(fmt.Sprintf(inQuery+"%s is not a valid search op", op))
	}
	for _, v := range values {
		want, ok := cellFrom(v, c.kind)
		if !ok {
			return f, badQuery(fmt.Sprintf(inQuery+"%v is not a valid value of %s", v, name))
		}
		f.want = append(f.want, want)
	}
	return f, nil
}

// matches tells whether the row satisfies all conditions.
func matches(row reflect.Value, filters []filter) bool {
	for _, f := range filters {
		if !f.match(cellOf(row.Field(f.field))) {
			return false
		}
	}
	return true
}

func (f filter) match(have cell) bool {
	switch f.op {
	case "eq", "in":
		return slices.Contains(f.want, have)
	case "neq", "notin":
		return !slices.Contains(f.want, have)
	}
	if have.null || f.want[0].null {
		return false
	}
	order := have.compare(f.want[0])
	switch f.op {
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "lt":
		return order < 0
	default:
		return order <= 0
	}
}

// by makes an ordering; any direction but "desc" is ascending.
func (c columns) by(name string, direction any) (ordering, error) {
	col, known := c[name]
	if !known {
		return ordering{}, badQuery(fmt.Sprintf(inQuery+"%s is not a valid order key", name))
	}
	return ordering{name: name, field: col.field, kind: col.kind, desc: direction == "desc"}, nil
}

// keys are the row's values of the columns to sort by.
func keys(row reflect.Value, order []ordering) []cell {
	cells := make([]cell, len(order))
	for i, o := range order {
		cells[i] = cellOf(row.Field(o.field))
	}
	return cells
}

// compareKeys puts nulls last in both directions.
func compareKeys(a, b []cell, order []ordering) int {
	for i, o := range order {
		c := a[i].compare(b[i])
		if o.desc && !a[i].null && !b[i].null {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// orderObjects reads the [{"col":…,"dir":…}] of everything but offers.
func (c columns) orderObjects(list []struct{ Col, Dir string }) ([]ordering, error) {
	var order []ordering
	for _, o := range list {
		by, err := c.by(o.Col, o.Dir)
		if err != nil {
			return nil, err
		}
		order = append(order, by)
	}
	return order, nil
}
