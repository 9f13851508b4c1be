package sandbox

import (
	"cmp"
	"reflect"
	"strconv"
	"strings"
)

// columns are the fields of a row that a request may filter and sort by.
type columns map[string]column

type column struct {
	field int
	kind  kind
}

type kind int

const (
	number kind = iota
	text
	flag
)

// columnsOf reads the columns off a row's tags: its JSON names, or what the
// column tag says instead.
func columnsOf(row any) columns {
	cols := columns{}
	t := reflect.TypeOf(row)
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		name = cmp.Or(f.Tag.Get("column"), name)
		if k, ok := kindOf(f.Type); ok && name != "-" {
			cols[name] = column{field: i, kind: k}
		}
	}
	return cols
}

func kindOf(t reflect.Type) (kind, bool) {
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Int64, reflect.Float64:
		return number, true
	case reflect.String:
		return text, true
	case reflect.Bool:
		return flag, true
	default:
		return 0, false
	}
}

// only keeps the named columns.
func (c columns) only(names ...string) columns {
	kept := columns{}
	for _, name := range names {
		kept[name] = c[name]
	}
	return kept
}

// cell is one value of a row, or one to compare it with. Numbers and flags
// are in num.
type cell struct {
	null bool
	num  float64
	text string
}

// cellOf reads a field. To the API a flag that is null is not set.
func cellOf(v reflect.Value) cell {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return cell{null: v.Type().Elem().Kind() != reflect.Bool}
		}
		return cellOf(v.Elem())
	case reflect.Int64:
		return cell{num: float64(v.Int())}
	case reflect.Float64:
		return cell{num: v.Float()}
	case reflect.Bool:
		if v.Bool() {
			return cell{num: 1}
		}
		return cell{}
	default:
		return cell{text: v.String()}
	}
}

// compare sorts nulls last.
func (c cell) compare(o cell) int {
	switch {
	case c.null && o.null:
		return 0
	case c.null:
		return 1
	case o.null:
		return -1
	}
	return cmp.Or(cmp.Compare(c.num, o.num), strings.Compare(c.text, o.text))
}

// cellFrom reads a value of a request as the kind of its column: clients send
// numbers as strings, and flags as either.
func cellFrom(v any, k kind) (cell, bool) {
	switch v := v.(type) {
	case nil:
		return cell{null: true}, true
	case bool:
		if k == text {
			return cell{text: strconv.FormatBool(v)}, true
		}
		return cellOf(reflect.ValueOf(v)), true
	case float64:
		if k == text {
			return cell{text: strconv.FormatFloat(v, 'f', -1, 64)}, true
		}
		return cell{num: v}, true
	case string:
		return cellFromString(v, k)
	default:
		return cell{}, false
	}
}

func cellFromString(s string, k kind) (cell, bool) {
	if k == text {
		return cell{text: s}, true
	}
	if b, err := strconv.ParseBool(strings.ToLower(s)); err == nil && k == flag {
		return cellOf(reflect.ValueOf(b)), true
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return cell{num: n}, err == nil
}
