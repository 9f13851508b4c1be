package sandbox_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const bundles = "/api/v0/bundles/"

func TestSearchFilters(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	country := func(o obj) string {
		place, _ := o["geolocation"].(string)
		return place[strings.LastIndex(place, " ")+1:]
	}
	for name, c := range map[string]struct {
		query obj
		holds func(obj) bool
	}{
		"eq":               {obj{"num_gpus": obj{"eq": 2}}, func(o obj) bool { return num(o, "num_gpus") == 2 }},
		"eq as a string":   {obj{"num_gpus": obj{"eq": "2"}}, func(o obj) bool { return num(o, "num_gpus") == 2 }},
		"neq":              {obj{"gpu_name": obj{"neq": "RTX 4090"}}, func(o obj) bool { return o["gpu_name"] != "RTX 4090" }},
		"gt and lte":       {obj{"num_gpus": obj{"gt": "1", "lte": 4}}, func(o obj) bool { return num(o, "num_gpus") > 1 && num(o, "num_gpus") <= 4 }},
		"gte":              {obj{"gpu_ram": obj{"gte": 24000.0}}, func(o obj) bool { return num(o, "gpu_ram") >= 24000 }},
		"lt":               {obj{"dph_total": obj{"lt": "0.2"}}, func(o obj) bool { return num(o, "dph_total") < 0.2 }},
		"in":               {obj{"gpu_name": obj{"in": []string{"L4", "A10"}}}, func(o obj) bool { return o["gpu_name"] == "L4" || o["gpu_name"] == "A10" }},
		"notin":            {obj{"num_gpus": obj{"notin": []any{1, "8"}}}, func(o obj) bool { return num(o, "num_gpus") != 1 && num(o, "num_gpus") != 8 }},
		"verified":         {obj{"verified": obj{"eq": false}}, func(o obj) bool { return o["verification"] != "verified" }},
		"datacenter":       {obj{"datacenter": obj{"eq": "true"}}, func(o obj) bool { return num(o, "hosting_type") == 1 }},
		"external is null": {obj{"external": obj{"eq": false}}, func(o obj) bool { return o["external"] == nil }},
		"geolocation":      {obj{"geolocation": obj{"in": []string{"US", "CA"}}}, func(o obj) bool { return country(o) == "US" || country(o) == "CA" }},
		"not there":        {obj{"geolocation": obj{"notin": []string{"US"}}}, func(o obj) bool { return o["geolocation"] == nil || country(o) != "US" }},
		"driver as text":   {obj{"driver_version": obj{"gte": "570.0.0"}}, func(o obj) bool { return num(o, "driver_vers") >= 570000000 }},
		"driver as number": {obj{"driver_version": obj{"lt": 560000000}}, func(o obj) bool { return num(o, "driver_vers") < 560000000 }},
		"cuda alias":       {obj{"cuda_vers": obj{"gte": "12.8"}}, func(o obj) bool { return num(o, "cuda_max_good") >= 12.8 }},
		"reliability":      {obj{"reliability": obj{"gt": "0.99"}}, func(o obj) bool { return num(o, "reliability2") > 0.99 }},
		"duration":         {obj{"duration": obj{"gt": 864000}}, func(o obj) bool { return num(o, "duration") > 864000 }},
		"storage column":   {obj{"allocated_storage": obj{"gte": 500}}, func(o obj) bool { return num(o, "disk_space") >= 500 }},
		"two names of one": {obj{"dph": obj{"gte": 0.2}, "dph_total": obj{"lte": 0.4}}, func(o obj) bool { return num(o, "dph_total") >= 0.2 && num(o, "dph_total") <= 0.4 }},
		"AMD has no cap":   {obj{"compute_cap": obj{"eq": nil}}, func(o obj) bool { return o["gpu_arch"] == "amd" }},
		"text order":       {obj{"os_version": obj{"gte": "24.04"}}, func(o obj) bool { return o["os_version"] == "24.04" }},
		"flag":             {obj{"static_ip": obj{"eq": 1}}, func(o obj) bool { return o["static_ip"] == true }},
	} {
		t.Run(name, func(t *testing.T) {
			found := r.offers(c.query)
			require.NotEmpty(t, found)
			for _, o := range found {
				require.True(t, c.holds(o), "%v", o)
			}
		})
	}
}

func TestSearchFindsNothing(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	first := r.offers(nil)[0]
	for name, query := range map[string]obj{
		"unknown model":        {"gpu_name": obj{"eq": "RTX_4090"}},
		"by id":                {"id": obj{"eq": first["id"]}},
		"target reliability":   {"target_reliability": obj{"gte": 0.5}},
		"number against null":  {"compute_cap": obj{"lt": 1}},
		"geolocation in names": {"geolocation": obj{"eq": "California, US"}},
	} {
		require.Empty(t, r.offers(query), name)
	}
	require.Len(t, r.offers(obj{"ask_contract_id": obj{"eq": first["id"]}}), 1)
}

func TestSearchRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for body, want := range map[string][2]string{
		`{"rentable":true,"gpu_name":"L4"}`:    {"bad_request", "q.gpu_name: Input should be a valid dictionary; q.rentable: Input should be a valid dictionary"},
		`{"limit":{"eq":10}}`:                  {"bad_request", "limit: Input should be a valid integer"},
		`{"type":"spot"}`:                      {"bad_request", "type: Input should be 'on-demand', 'ondemand', 'bid' or 'reserved'"},
		`{"allocated_storage":-1}`:             {"bad_request", "allocated_storage: Input should be a size in GB"},
		`{"num_gpus":{"like":1}}`:              {"invalid_request", "Error in query parameters: like is not a valid search op"},
		`{"gpus":{"eq":1}}`:                    {"invalid_request", "Error in query parameters: gpus is not a valid search key"},
		`{"internet_up_cost_per_tb":{"lt":1}}`: {"invalid_request", "Error in query parameters: internet_up_cost_per_tb is not a valid search key"},
		`{"geolocation":{"gt":"US"}}`:          {"invalid_request", "Error in query parameters: gt is not a valid search op for geolocation"},
		`{"num_gpus":{"eq":"many"}}`:           {"invalid_request", "Error in query parameters: many is not a valid value of num_gpus"},
		`{"num_gpus":{"eq":[1]}}`:              {"invalid_request", "Error in query parameters: [1] is not a valid value of num_gpus"},
		`{"num_gpus":{"in":"1"}}`:              {"invalid_request", "Error in query parameters: in of num_gpus needs a list"},
		`{"order":[["price","asc"]]}`:          {"invalid_request", "Error in query parameters: price is not a valid order key"},
		`{"order":"dph_total"}`:                {"invalid_request", "Error in query parameters: order needs a list of [field, direction]"},
		`{"order":[["dph_total"]]}`:            {"invalid_request", "Error in query parameters: order needs a list of [field, direction]"},
		`{"driver_version":{"eq":"535.x.1"}}`:  {"invalid_request", "Error in query parameters: 535.x.1 is not a valid value of driver_vers"},
		`{"driver_version":{"in":["a.b"]}}`:    {"invalid_request", "Error in query parameters: a.b is not a valid value of driver_vers"},
		`[]`:                                   {"invalid_request", "Invalid json body"},
		``:                                     {"invalid_request", "Invalid json body"},
	} {
		out := r.do(400, "POST", bundles, body)
		require.Equal(t, want[0], out["error"], body)
		require.Equal(t, want[1], out["msg"], body)
	}
}

func TestSearchOrderAndLimit(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	found := r.offers(obj{"order": []any{[]any{"num_gpus", "desc"}, []any{"dph_total", "asc"}}, "limit": 5000})
	require.Len(t, found, 64, "whatever limit says")
	for i := range found[1:] {
		a, b := found[i], found[i+1]
		require.True(t, num(a, "num_gpus") > num(b, "num_gpus") || num(a, "dph_total") <= num(b, "dph_total"))
	}
	require.Len(t, r.offers(obj{"limit": 3}), 3)
	require.Len(t, r.offers(obj{"limit": "3"}), 64, "a string is not read")
	require.Len(t, r.offers(obj{"limit": 0}), 64)
	scored := r.offers(obj{})
	require.Equal(t, scored, r.offers(obj{"order": []any{[]any{"score", "desc"}}}))
	require.Greater(t, num(scored[0], "score"), num(scored[63], "score"))
	last := r.offers(obj{"order": []any{[]any{"compute_cap", "desc"}}})[0]
	require.EqualValues(t, 1200, last["compute_cap"], "nulls are last in any direction")
	r.offers(obj{"type": "ondemand", "allocated_storage": "12", "resource_type": "gpu", "disable_bundling": true, "has_avx": obj{"eq": 1}})
}

func TestSearchByOtherPaths(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	query := `{"num_gpus":{"eq":1},"limit":2}`
	want := r.do(200, "POST", bundles, query)["offers"]
	require.Equal(t, want, r.do(200, "GET", bundles+"?q="+url.QueryEscape(query), nil)["offers"])
	asks := r.do(200, "PUT", "/api/v0/search/asks/", fmt.Sprintf(`{"select_cols":["*"],"q":%s}`, query))
	require.Equal(t, want, asks["offers"])
	require.Equal(t, false, asks["truncated"])
	require.Len(t, r.do(200, "PUT", "/api/v0/search/asks/", obj{})["offers"], 64)
	require.Len(t, r.do(200, "GET", bundles, nil)["offers"], 64)
	r.do(400, "PUT", "/api/v0/search/asks/", "nonsense")
	r.do(400, "PUT", "/api/v0/search/asks/", obj{"q": obj{"x": 1}})
}

func TestGPUNames(t *testing.T) {
	names := newRig(t, sandbox.Options{}).as("").do(200, "GET", "/api/v0/gpu_names/unique/", nil)["gpu_names"].([]any)
	require.Contains(t, names, "RTX 4090")
	require.Contains(t, names, "RTX 4080 laptop")
	require.Greater(t, len(names), 120)
}

func FuzzSearch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"num_gpus":{"eq":"1"},"order":[["dph_total","asc"]],"limit":3}`, `{"geolocation":{"in":["US",null]}}`,
		`{"driver_version":{"gte":"535.86.05"}}`, `{"id":{"eq":1},"allocated_storage":{"gte":1e300}}`, `null`, `{"limit":1e99,"type":"bid"}`,
	} {
		f.Add(seed)
	}
	r := newRig(f, sandbox.Options{})
	f.Fuzz(func(t *testing.T, body string) {
		res, text, err := r.with(t).send("POST", bundles, body)
		require.NoError(t, err)
		require.Contains(t, []int{200, 400}, res.StatusCode, "%s", text)
		require.True(t, strings.HasPrefix(string(text), "{"))
	})
}
