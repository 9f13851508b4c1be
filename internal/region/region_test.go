package region_test

import (
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"vast-mcp/internal/region"
)

func TestResolve(t *testing.T) {
	for name, want := range map[string][]string{
		"SE": {"SE"}, "se": {"SE"}, " Sweden ": {"SE"}, "south_korea": {"KR"}, "UK": {"GB"}, "usa": {"US"}, "NA": {"NA"},
		"Swedn": nil, "": nil, "XX": nil, "150": nil, "ZZ": nil,
	} {
		require.Equal(t, want, region.Resolve(name), name)
	}
	for continent, member := range map[string]string{"Europe": "SE", "EU": "DE", "asia": "KR", "North_America": "US", "Oceania": "AU", "africa": "ZA", "South America": "BR", "latin america": "MX"} {
		codes := region.Resolve(continent)
		require.Contains(t, codes, member, continent)
		require.Greater(t, len(codes), 10, continent)
		require.True(t, slices.IsSorted(codes), continent)
	}
	require.NotContains(t, region.Resolve("Europe"), "US")
}

func TestEveryNameResolves(t *testing.T) {
	require.Equal(t, "Africa", region.Names()[0], "what is larger comes first")
	for _, name := range append(region.Names(), region.Codes()...) {
		require.NotEmpty(t, region.Resolve(name), name)
	}
	require.Greater(t, len(region.Codes()), 200)
}

func TestPlace(t *testing.T) {
	for in, want := range map[string]string{
		"Sweden, SE": "Sweden, SE", ", US": "US", "": "nowhere", " , ": "nowhere", "a\u202eb\nc": "ab c",
	} {
		require.Equal(t, want, region.Place(in, "nowhere"))
	}
}

func TestCode(t *testing.T) {
	for in, want := range map[string]string{
		"Sweden, SE": "SE", ", US": "US", "US": "US", " ,se ": "SE", "Georgia, US": "US", "Georgia, GE": "GE",
		"": "", "Sweden": "", "Sweden, ": "", "SE, Sweden": "", "Nowhere, ZZ": "", "SE; US": "",
	} {
		require.Equal(t, want, region.Code(in), in)
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"SE", "Europe", "north_america", "U\xff", "", "å"} {
		f.Add(s)
	}
	known := region.Codes()
	f.Fuzz(func(t *testing.T, name string) {
		for _, code := range region.Resolve(name) {
			require.Contains(t, known, code)
		}
		if code := region.Code(name); code != "" {
			require.Contains(t, known, code)
		}
		require.True(t, utf8.ValidString(region.Place(name, "unknown")))
		require.NotEmpty(t, region.Place(name, "unknown"))
	})
}

// TestTheTableIsTheLibrarys: every code that names a country, as it is called in
// English. Retired codes, like SU, have no name, and UK is another spelling of
// GB.
func TestTheTableIsTheLibrarys(t *testing.T) {
	names := display.English.Regions()
	var known []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string(a) + string(b)
			r, err := language.ParseRegion(code)
			if err != nil || !r.IsCountry() || r.String() != code || r.Canonicalize() != r || names.Name(r) == "" {
				continue
			}
			known = append(known, code)
			require.Contains(t, region.Resolve(names.Name(r)), code)
		}
	}
	require.Equal(t, known, region.Codes())
}
