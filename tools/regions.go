package tools

import (
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/tool"
)

// continents are the larger regions that people name, as UN M.49 codes. The
// two-letter short forms that are also countries (NA, AS, AF, SA) mean the
// country.
func continents() map[string]string {
	return map[string]string{
		"africa": "002", "asia": "142", "europe": "150", "eu": "150", "oceania": "009",
		"north america": "003", "south america": "005", "latin america": "419",
	}
}

// countries lists every ISO 3166-1 alpha-2 code that names a country.
func countries() []language.Region {
	var all []language.Region
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			r, err := language.ParseRegion(string(a) + string(b))
			if err == nil && r.IsCountry() && r.String() == string(a)+string(b) {
				all = append(all, r)
			}
		}
	}
	return all
}

// resolveRegions turns country codes, country names and continents into the
// codes that the API filters by. A name that is none of them is an error.
func resolveRegions(asked []string) ([]string, error) {
	all := countries()
	names := display.English.Regions()
	var codes []string
	for _, name := range asked {
		found := matchRegion(strings.TrimSpace(name), all, names)
		if len(found) == 0 {
			return nil, noRegion(name, all, names)
		}
		codes = append(codes, found...)
	}
	slices.Sort(codes)
	return slices.Compact(codes), nil
}

func matchRegion(name string, all []language.Region, names display.Namer) []string {
	var found []string
	m49, isContinent := continents()[strings.ToLower(strings.ReplaceAll(name, "_", " "))]
	continent, _ := language.ParseRegion(m49)
	for _, r := range all {
		switch {
		case isContinent && continent.Contains(r), strings.EqualFold(r.String(), name), strings.EqualFold(names.Name(r), name):
			found = append(found, r.String())
		case strings.EqualFold(name, "UK") && r.String() == "GB", strings.EqualFold(name, "USA") && r.String() == "US":
			found = append(found, r.String())
		}
	}
	return found
}

func noRegion(name string, all []language.Region, names display.Namer) error {
	var known []string
	for _, r := range all {
		known = append(known, names.Name(r))
	}
	for c := range continents() {
		known = append(known, c)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	f := tool.Fail(tool.InvalidArguments, "regions: there is no region %q", plain.Line(name, 60)).
		Hint("use country codes like US, SE or KR, country names, or Europe, Asia, Africa, Oceania, North America, South America")
	if near := tool.Nearest(name, known, 3); len(near) > 0 {
		return f.Hint("did you mean %s?", strings.Join(near, ", "))
	}
	return f
}
