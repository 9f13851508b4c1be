package tools

import (
	"cmp"
	"slices"
	"strings"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/region"
	"vast-mcp/internal/tool"
)

// resolveRegions turns country codes, country names and continents into the
// codes that the API filters by. A name that is none of them is an error.
func resolveRegions(asked []string) ([]string, error) {
	var codes []string
	for _, name := range asked {
		found := region.Resolve(name)
		if len(found) == 0 {
			return nil, noRegion(name)
		}
		codes = append(codes, found...)
	}
	slices.Sort(codes)
	return slices.Compact(codes), nil
}

// places are the terms of where machines may stand: where the caller asked for,
// as far as the owner allows it. nil allows all.
func (in searchInput) places(allowed []string) (all []term, err error) {
	codes := guard.RegionCodes(allowed)
	if len(in.Regions) > 0 {
		asked, err := resolveRegions(in.Regions)
		if err != nil {
			return nil, err
		}
		if allowed != nil {
			asked = slices.DeleteFunc(asked, func(code string) bool { return !slices.Contains(codes, code) })
		}
		codes = asked
		all = append(all, where("regions", in.Regions, "geolocation", "in", codes))
	}
	if allowed == nil {
		return all, nil
	}
	if len(codes) == 0 {
		return nil, tool.Fail(tool.OverPolicy, "the owner allows none of these regions (--%s)", guard.LimitAllowRegion).
			Hint("search in %s", cmp.Or(strings.Join(allowed, ", "), "no region: the owner allows none"))
	}
	return append(all, byOwner(where("allow_region", allowed, "geolocation", "in", codes))), nil
}

func noRegion(name string) error {
	f := tool.Fail(tool.InvalidArguments, "regions: there is no region %q", plain.Line(name, 60)).
		Hint("use country codes like US, SE or KR, country names, or Europe, Asia, Africa, Oceania, North America, South America")
	if near := tool.Nearest(name, region.Names(), 3); len(near) > 0 {
		return f.Hint("did you mean %s?", strings.Join(near, ", "))
	}
	return f
}
