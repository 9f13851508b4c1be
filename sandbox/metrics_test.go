package sandbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const metrics = "/api/v0/metrics/gpu/"

func TestMetricsAreForHosts(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	key := r.do(200, "POST", "/api/v0/auth/apikeys/", obj{"name": "m", "permissions": obj{"api": obj{"machine_read": obj{}}}})["key"].(string)
	for path, want := range map[string]obj{
		"current/": {"gpus": []any{}}, "history/": {"gpus": obj{}}, "locations/": {"locations": []any{}},
	} {
		out := r.do(401, "GET", metrics+path, nil)
		require.Equal(t, obj{"success": false, "error": "auth_error", "msg": "Your key lacks the machine_read permission group"}, out)
		want["success"], want["needs_machine"] = true, true
		require.Equal(t, want, r.as(key).do(200, "GET", metrics+path, nil), "a key that may ask, and has no machines")
	}
}

func TestCurrentMetrics(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	all := objects(r.host().do(200, "GET", metrics+"current/?verified=all&hosting_type=all&num_gpus=all", nil)["gpus"])
	require.Greater(t, len(all), 5)
	for i, row := range all {
		require.GreaterOrEqual(t, num(row, "total"), 10.0)
		require.Equal(t, num(row, "total"), num(row, "rented_verified")+num(row, "avail_verified")+num(row, "rented_unverified")+num(row, "avail_unverified"))
		require.Equal(t, num(row, "available"), num(row, "avail_verified")+num(row, "avail_unverified"))
		require.LessOrEqual(t, num(row, "price_p10"), num(row, "price_p25"))
		require.LessOrEqual(t, num(row, "price_p25"), num(row, "price_median"))
		require.LessOrEqual(t, num(row, "price_median"), num(row, "price_p75"))
		require.LessOrEqual(t, num(row, "price_p75"), num(row, "price_p90"))
		for _, field := range []string{"gpu_name", "usage", "usage_30d", "dlperf", "tflops", "tflops_per_dollar", "dlperf_per_dollar"} {
			require.Contains(t, row, field)
		}
		if i > 0 {
			require.LessOrEqual(t, num(row, "total"), num(all[i-1], "total"))
		}
	}
	for _, filter := range []string{"", "?verified=no", "?verified=all&hosting_type=secure_cloud", "?verified=all&hosting_type=community", "?verified=all&num_gpus=8"} {
		some := objects(r.host().do(200, "GET", metrics+"current/"+filter, nil)["gpus"])
		require.NotEmpty(t, some)
		require.Less(t, num(some[0], "total"), num(all[0], "total"), filter)
	}
	common := all[0]
	r.rent(r.cheap(obj{"gpu_name": obj{"eq": common["gpu_name"]}, "num_gpus": obj{"eq": 1}})[0]["id"], nil)
	after := objects(r.host().do(200, "GET", metrics+"current/?verified=all", nil)["gpus"])[0]
	require.Equal(t, num(common, "available")-1, num(after, "available"), "what is rented isn't available")
}

func TestMetricsHistory(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	gpus := r.host().do(200, "GET", metrics+"history/?verified=all&hosting_type=all&num_gpus=all", nil)["gpus"].(obj)
	require.Len(t, gpus, 3, "without names the three that everybody wants")
	row := gpus["RTX 4090"].(obj)
	supply, pricing, stats := row["supply_demand"].(obj), row["pricing"].(obj), row["stats"].(obj)
	require.Len(t, supply["timestamps"], 21)
	for _, field := range []string{"rented_verified", "avail_verified", "rented_unverified", "avail_unverified", "total"} {
		require.Len(t, supply[field], 21, field)
	}
	for _, field := range []string{"timestamps", "rented_p10", "rented_median", "rented_p90", "avail_p10", "avail_median", "avail_p90"} {
		require.Len(t, pricing[field], 21, field)
	}
	for _, field := range []string{"tflops", "dlperf", "tflops_per_dollar", "dlperf_per_dollar"} {
		require.Positive(t, stats[field], field)
	}
	named := r.host().do(200, "GET", metrics+"history/?verified=all&gpu_name=RTX_4090,%20H100%20SXM&start=0&end=86400&step=3600", nil)["gpus"].(obj)
	require.Len(t, named, 2)
	require.Len(t, named["H100 SXM"].(obj)["pricing"].(obj)["timestamps"], 25)
	require.Greater(t, len(r.host().do(200, "GET", metrics+"history/?gpu_name=all", nil)["gpus"].(obj)), 20)
	for query, says := range map[string]string{
		"verified=x": "verified must be", "hosting_type=x": "hosting_type must be", "step=x": "must be integers", "start=5&end=4": "start must be <= end",
	} {
		require.Contains(t, r.host().do(400, "GET", metrics+"history/?"+query, nil)["msg"], says)
	}
	require.Contains(t, r.host().do(400, "GET", metrics+"current/?verified=x", nil)["msg"], "verified must be")
}

func TestMetricsLocations(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	rows := objects(r.host().do(200, "GET", metrics+"locations/", nil)["locations"])
	require.NotEmpty(t, rows)
	total := 0.0
	for _, row := range rows {
		require.Len(t, row, 9)
		require.Positive(t, row["num_gpus"])
		require.IsType(t, true, row["rented"])
		total += num(row, "num_gpus")
	}
	sum := 0.0
	for _, row := range objects(r.host().do(200, "GET", metrics+"current/?verified=all", nil)["gpus"]) {
		sum += num(row, "total")
	}
	require.GreaterOrEqual(t, total, sum)
}

func TestGPUTypes(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	types := objects(r.as("").do(200, "GET", "/api/v0/gpu_types/", nil)["gpu_types"])
	require.Contains(t, types, obj{"canonical_name": "RTX 4090", "gpu_ram_mb": num(r.cheap(obj{"gpu_name": obj{"eq": "RTX 4090"}})[0], "gpu_ram")})
}
