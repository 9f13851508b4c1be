package region

import (
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"vast-mcp/internal/plain"
)

// continents are the larger regions that people name, as UN M.49 codes. The
// two-letter short forms that are also countries (NA, AS, AF, SA) mean the
// country.
func continents() []continent {
	return []continent{
		{"Africa", "002"},
		{"Asia", "142"},
		{"Europe", "150"},
		{"EU", "150"},
		{"Oceania", "009"},
		{"North America", "003"},
		{"South America", "005"},
		{"Latin America", "419"},
	}
}

type continent struct{ name, m49 string }

// countries lists every ISO 3166-1 alpha-2 code that names a country. Retired
// ones, like SU, have no name, and UK is another spelling of GB.
func countries() []language.Region {
	names := display.English.Regions()
	var all []language.Region
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			r, err := language.ParseRegion(string(a) + string(b))
			if err == nil && r.IsCountry() && r.String() == string(a)+string(b) && r.Canonicalize() == r && names.Name(r) != "" {
				all = append(all, r)
			}
		}
	}
	return all
}

// Resolve returns the country codes that name stands for, in order: one for a
// code like SE or a name like Sweden, many for a continent, none for a name
// that is none of these. Case does not matter.
func Resolve(name string) []string {
	name = strings.TrimSpace(strings.ReplaceAll(name, "_", " "))
	names := display.English.Regions()
	larger := language.Region{}
	at := slices.IndexFunc(continents(), func(c continent) bool { return strings.EqualFold(c.name, name) })
	if at >= 0 {
		larger, _ = language.ParseRegion(continents()[at].m49) // the table holds codes that exist
	}
	var codes []string
	for _, r := range countries() {
		switch {
		case at >= 0 && larger.Contains(r), strings.EqualFold(r.String(), name), strings.EqualFold(names.Name(r), name):
			codes = append(codes, r.String())
		case strings.EqualFold(name, "UK") && r.String() == "GB", strings.EqualFold(name, "USA") && r.String() == "US":
			codes = append(codes, r.String())
		}
	}
	return codes
}

// Names lists the names that Resolve knows, codes left out: the continents,
// then the countries in English by their alphabet.
func Names() []string {
	names := display.English.Regions()
	var larger, smaller []string
	for _, c := range continents() {
		larger = append(larger, c.name)
	}
	for _, r := range countries() {
		smaller = append(smaller, names.Name(r))
	}
	slices.Sort(smaller)
	return slices.Concat(larger, slices.Compact(smaller))
}

// Codes lists the countries' codes.
func Codes() []string {
	var all []string
	for _, r := range countries() {
		all = append(all, r.String())
	}
	return all
}

// maxPlace caps a place in bytes.
const maxPlace = 60

// Place cleans a place as the API writes it, such as "Sweden, SE" or ", US",
// and says unknown where there is none.
func Place(geolocation, unknown string) string {
	if s := strings.Trim(plain.Line(geolocation, maxPlace), ", "); s != "" {
		return s
	}
	return unknown
}
