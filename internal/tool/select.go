package tool

import (
	"fmt"
	"slices"
	"strings"
)

// Selection says which tools a server has. It is applied before registration,
// so that listing and calling agree.
type Selection struct {
	Toolsets []string // empty: those that are on by default; "all" is every one
	Only     []string // if not empty, only these tools
	Exclude  []string
	ReadOnly bool // an upper bound: no tool that changes anything
}

// Select returns the sets that s leaves, empty ones left out. It fails on a
// name that does not exist.
func (s Selection) Select(sets []Set) ([]Set, error) {
	if err := s.check(sets); err != nil {
		return nil, err
	}
	var kept []Set
	for _, set := range sets {
		if !s.wants(set) {
			continue
		}
		set.Tools = slices.DeleteFunc(slices.Clone(set.Tools), func(t Tool) bool {
			return s.ReadOnly && t.Effect != EffectRead || slices.Contains(s.Exclude, t.Name) ||
				len(s.Only) > 0 && !slices.Contains(s.Only, t.Name)
		})
		if len(set.Tools) > 0 {
			kept = append(kept, set)
		}
	}
	return kept, nil
}

func (s Selection) wants(set Set) bool {
	if len(s.Toolsets) == 0 {
		return set.Default || len(s.Only) > 0
	}
	return slices.Contains(s.Toolsets, set.Name) || slices.Contains(s.Toolsets, "all")
}

func (s Selection) check(sets []Set) error {
	setNames, toolNames := []string{"all"}, []string{}
	for _, set := range sets {
		setNames = append(setNames, set.Name)
		for _, t := range set.Tools {
			toolNames = append(toolNames, t.Name)
		}
	}
	for _, names := range []struct {
		what         string
		given, known []string
	}{{"toolset", s.Toolsets, setNames}, {"tool", s.Only, toolNames}, {"tool", s.Exclude, toolNames}} {
		for _, name := range names.given {
			if !slices.Contains(names.known, name) {
				return fmt.Errorf("there is no %s %q%s", names.what, name, DidYouMean(name, names.known))
			}
		}
	}
	return nil
}

// DidYouMean is a clause that names the nearest of known, or all of them when
// none is near.
func DidYouMean(name string, known []string) string {
	if near := Nearest(name, known, 1); len(near) > 0 {
		return fmt.Sprintf(" (did you mean %q?)", near[0])
	}
	return ": choose from " + strings.Join(known, ", ")
}
