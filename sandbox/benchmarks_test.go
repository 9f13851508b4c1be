package sandbox_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func TestBenchmarks(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	const p = "/api/v0/benchmarks/"
	seen, token := map[any]bool{}, ""
	for {
		out := r.do(200, "GET", p+`?select_cols=["*"]&select_filters={}&after_token=`+token, nil)
		rows := objects(out["benchmarks"])
		require.EqualValues(t, len(rows), out["benchmarks_found"])
		require.Len(t, rows[0], 14)
		for _, row := range rows {
			require.False(t, seen[row["id"]], "twice")
			seen[row["id"]] = true
			require.Less(t, num(row, "last_update"), float64(epoch.Unix()))
		}
		next, more := out["next_token"].(string)
		if !more {
			break
		}
		token = next
	}
	require.Greater(t, len(seen), 200)

	fast := objects(r.do(200, "GET", p+"?limit=5&select_filters="+url.QueryEscape(`{"gpu_name":{"eq":"RTX 4090"}}`)+
		"&order_by="+url.QueryEscape(`[{"col":"value","dir":"desc"}]`), nil)["benchmarks"])
	require.Len(t, fast, 5)
	require.Equal(t, "RTX 4090", fast[0]["gpu_name"])
	require.GreaterOrEqual(t, num(fast[0], "value"), num(fast[4], "value"))
	some := objects(r.do(200, "GET", p+`?limit=1&select_cols=["gpu_name","nothing"]`, nil)["benchmarks"])
	require.Contains(t, some[0], "gpu_name")
	require.Equal(t, nil, some[0]["anon_1"])
	require.Len(t, some[0], 2)
	require.Equal(t, r.do(200, "GET", p, nil), newRig(t, sandbox.Options{}).do(200, "GET", p, nil), "the seed decides")
	for query, code := range map[string]string{
		"query=x":                      "invalid_request",
		`select_filters={"score":{}}`:  "invalid_request",
		`order_by=[{"col":"nothing"}]`: "invalid_request",
		"after_token=x":                "invalid_token",
	} {
		require.Equal(t, code, r.do(400, "GET", p+"?"+query, nil)["error"], query)
	}
}
