package tools

import (
	"slices"
	"strings"

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

func noRegion(name string) error {
	f := tool.Fail(tool.InvalidArguments, "regions: there is no region %q", plain.Line(name, 60)).
		Hint("use country codes like US, SE or KR, country names, or Europe, Asia, Africa, Oceania, North America, South America")
	if near := tool.Nearest(name, region.Names(), 3); len(near) > 0 {
		return f.Hint("did you mean %s?", strings.Join(near, ", "))
	}
	return f
}
