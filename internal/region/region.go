package region

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

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

// country is a country, by its code and its English name.
type country struct {
	code, name string
	region     language.Region
}

// countries lists all, in the order of their codes.
var countries = sync.OnceValue(func() []country {
	var all []country
	for line := range strings.Lines(table) {
		code, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		all = append(all, country{code, name, language.MustParseRegion(code)})
	}
	return all
})

// Resolve returns the country codes that name stands for, in order: one for a
// code like SE or a name like Sweden, many for a continent, none for a name
// that is none of these. Case does not matter.
func Resolve(name string) []string {
	name = strings.TrimSpace(strings.ReplaceAll(name, "_", " "))
	larger := language.Region{}
	at := slices.IndexFunc(continents(), func(c continent) bool { return strings.EqualFold(c.name, name) })
	if at >= 0 {
		larger, _ = language.ParseRegion(continents()[at].m49) // the table holds codes that exist
	}
	var codes []string
	for _, c := range countries() {
		switch {
		case at >= 0 && larger.Contains(c.region), strings.EqualFold(c.code, name), strings.EqualFold(c.name, name):
			codes = append(codes, c.code)
		case strings.EqualFold(name, "UK") && c.code == "GB", strings.EqualFold(name, "USA") && c.code == "US":
			codes = append(codes, c.code)
		}
	}
	return codes
}

// Names lists the names that Resolve knows, codes left out: the continents,
// then the countries in English by their alphabet.
func Names() []string {
	var larger, smaller []string
	for _, c := range continents() {
		larger = append(larger, c.name)
	}
	for _, c := range countries() {
		smaller = append(smaller, c.name)
	}
	slices.Sort(smaller)
	return slices.Concat(larger, slices.Compact(smaller))
}

// Codes lists the countries' codes.
func Codes() []string {
	var all []string
	for _, c := range countries() {
		all = append(all, c.code)
	}
	return all
}

// Code is the code of the country that a place of the API lies in, such as SE of
// "Sweden, SE"; empty where it names none.
func Code(geolocation string) string {
	last := geolocation[strings.LastIndex(geolocation, ",")+1:]
	code := strings.ToUpper(strings.TrimSpace(last))
	if !slices.ContainsFunc(countries(), func(c country) bool { return c.code == code }) {
		return ""
	}
	return code
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
