package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// grants is what a key may do: a tree of objects, api, then a category, then
// the name of a route. An empty object grants all that is under it, another
// one only what it names, or all with "*".
type grants map[string]any

// categories are the groups of permissions that there are.
func categories() []string {
	return []string{
		"instance_read", "instance_write", "user_read", "user_write", "billing_read", "billing_write",
		"machine_read", "machine_write", "misc", "team_read", "team_write",
	}
}

// parseGrants reads permissions, and refuses what no check could go by. A
// bare false grants everything.
func parseGrants(raw json.RawMessage) (grants, error) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil, errors.New("permissions is not JSON")
	}
	if v == false {
		return nil, nil
	}
	top, _ := v.(map[string]any)
	api, ok := top["api"].(map[string]any)
	if !ok || len(top) != 1 {
		return nil, errors.New(`permissions must be {"api": {category: {}}}`)
	}
	for category, routes := range api {
		if !slices.Contains(categories(), category) {
			return nil, fmt.Errorf("%s is not a permission group", category)
		}
		if err := checkRoutes(category, routes); err != nil {
			return nil, err
		}
	}
	return top, nil
}

func checkRoutes(category string, v any) error {
	routes, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object", category)
	}
	for name, v := range routes {
		route, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%s must be an object", name)
		}
		constraints, ok := route["constraints"].(map[string]any)
		if len(route) > 0 && (!ok || len(route) > 1) {
			return fmt.Errorf("%s may have constraints, and nothing else", name)
		}
		for arg, v := range constraints {
			if err := checkConstraint(arg, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkConstraint(arg string, v any) error {
	ops, ok := v.(map[string]any)
	if !ok || len(ops) == 0 {
		return fmt.Errorf("the constraint on %s must be an object", arg)
	}
	for op := range ops {
		if !slices.Contains([]string{"eq", "gte", "lte"}, op) {
			return fmt.Errorf("%s is not a valid constraint: eq, gte and lte are", op)
		}
	}
	return nil
}

// allow tells whether a call of the route is granted. Constraints may name a
// parameter of the key instead of a value.
func (g grants) allow(category, route string, args, params map[string]any) bool {
	if g == nil {
		return true
	}
	node := map[string]any(g)
	for _, name := range []string{"api", category, route} {
		var ok bool
		if node, ok = under(node, name); !ok {
			return false
		}
	}
	constraints, _ := node["constraints"].(map[string]any)
	for arg, ops := range constraints {
		for op, want := range ops.(map[string]any) {
			if name, ok := want.(string); ok {
				want = cmp.Or(params[strings.TrimPrefix(name, "$")], want)
			}
			if !meets(args[strings.ToLower(arg)], op, want) {
				return false
			}
		}
	}
	return true
}

// under goes down one level of the tree.
func under(node map[string]any, name string) (map[string]any, bool) {
	if len(node) == 0 {
		return nil, true
	}
	child, ok := node[name].(map[string]any)
	if !ok {
		child, ok = node["*"].(map[string]any)
	}
	return child, ok
}

// meets compares numbers as numbers, however they are written; an argument
// that isn't there meets nothing.
func meets(have any, op string, want any) bool {
	if have == nil || want == nil {
		return false
	}
	a, ok := cellFrom(have, number)
	b, both := cellFrom(want, number)
	if !ok || !both {
		return op == "eq" && fmt.Sprint(have) == fmt.Sprint(want)
	}
	switch order := a.compare(b); op {
	case "eq":
		return order == 0
	case "gte":
		return order >= 0
	default:
		return order <= 0
	}
}

// name is what permissions and the audit log call the route: its path with
// dots, and its noun in the singular where the path names one thing.
func (r route) name() string {
	var words []string
	one := false
	for segment := range strings.SplitSeq(strings.Trim(r.path, "/"), "/") {
		switch {
		case strings.HasPrefix(segment, "{"):
			one = true
		case segment != "v0" && segment != "v1":
			words = append(words, segment)
		}
	}
	if one && len(words) > 1 {
		words[1] = strings.TrimSuffix(words[1], "s")
	}
	return strings.Join(words, ".")
}

// callArgs are the arguments of a call by their names in small letters: of the
// path or else of the body and the query. Where those two differ, or one says
// the same name twice, the value is nil: it must not depend on who reads which.
func (t *tx) callArgs(r route) map[string]any {
	args := map[string]any{}
	add := func(name string, value any) {
		name = strings.ToLower(name)
		if have, ok := args[name]; ok && !meets(have, "eq", value) {
			value = nil
		}
		args[name] = value
	}
	var body map[string]any
	_ = json.Unmarshal(t.body, &body) // the handler says what is wrong with it
	for name, value := range body {
		add(name, value)
	}
	for name, values := range t.r.URL.Query() {
		for _, value := range values {
			add(name, value)
		}
	}
	delete(args, "api_key")
	i := 0
	for segment := range strings.SplitSeq(r.path, "/") {
		if strings.HasPrefix(segment, "{") {
			args[strings.Trim(segment, "{}")] = t.args[i]
			i++
		}
	}
	return args
}
