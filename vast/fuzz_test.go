package vast_test

import (
	"encoding/json"
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

// Whatever the network gives, a call ends in an answer or in an *Error, and
// neither holds the key or a number that is none.

func FuzzOffers(f *testing.F) {
	f.Add(read(f, "offers"))
	f.Add(`{"offers":{"id":"7.0","dph_total":NaN,"gpu_ram":"1e400"}}`)
	f.Add(`{"offers":[null,[],"\u0000"]}`)
	f.Fuzz(func(t *testing.T, body string) {
		c, _ := scripted(t, ok(body))
		offers, err := c.Offers.Search(t.Context(), vast.OfferQuery{Filter: vast.Filter{}.With("gpu_ram", "gte", 1)})
		if err != nil {
			checkFailure(t, err, body)
			return
		}
		for _, o := range offers {
			require.Positive(t, o.ID)
			for _, n := range []float64{o.PerHour, o.GPUPerHour, o.MinBid, o.GPURAMMB, o.Reliability} {
				require.False(t, math.IsNaN(n) || math.IsInf(n, 0))
			}
			_ = o.Country()
		}
	})
}

func FuzzInstances(f *testing.F) {
	for _, name := range []string{"instance_running", "instance_fresh", "instances_page", "instances_empty", "instance_missing"} {
		f.Add(read(f, name))
	}
	f.Add(`{"instances":[{"id":7,"ports":{"22/tcp":{}},"extra_env":[[1,2]]}],"total_instances":"1"}`)
	f.Fuzz(func(t *testing.T, body string) {
		c, _ := scripted(t, ok(body))
		all, err := c.Instances.All(t.Context())
		if err != nil {
			checkFailure(t, err, body)
		}
		for _, i := range all {
			require.Positive(t, i.ID)
			_, _ = i.SSH()
		}
		c, _ = scripted(t, ok(body))
		i, err := c.Instances.Get(t.Context(), 7)
		if err != nil {
			checkFailure(t, err, body)
			return
		}
		require.Equal(t, vast.InstanceID(7), i.ID)
	})
}

func FuzzErrors(f *testing.F) {
	f.Add(410, read(f, "create_gone_410"))
	f.Add(429, read(f, "throttled"))
	f.Add(200, read(f, "start_queued"))
	f.Add(502, "<html>")
	f.Add(400, `{"error":{"a":1},"msg":["x"],"new_contract":1e3,"retry_after":-1}`)
	f.Fuzz(func(t *testing.T, code int, body string) {
		if code < 200 || code > 599 {
			t.Skip()
		}
		c, network := scripted(t, status(code, body))
		id, err := c.Instances.Create(t.Context(), 7, anImage)
		require.Len(t, network.sent, 1)
		if err == nil {
			require.Equal(t, 2, code/100)
			require.Positive(t, id)
			return
		}
		checkFailure(t, err, body)
		e := asError(t, err)
		require.False(t, e.NotSent)
		require.GreaterOrEqual(t, e.RetryAfter, vast.Error{}.RetryAfter)
		if code < 300 || code >= 500 || e.NewContract != 0 {
			require.True(t, e.Uncertain)
		}
	})
}

func checkFailure(t *testing.T, err error, body string) {
	t.Helper()
	e := asError(t, err)
	require.NotEmpty(t, e.Code)
	require.Less(t, len(e.Error()), 1200)
	if !strings.Contains(body, testKey) {
		return
	}
	require.NotContains(t, e.Error(), testKey)
}

func FuzzFilter(f *testing.F) {
	f.Add("gpu_name", "eq", "RTX 4090")
	f.Add("id", "in", `"&=%00`)
	f.Add("limit", "is", "\xff")
	f.Fuzz(func(t *testing.T, field, op, value string) {
		filter := vast.Filter{}.With(field, op, value)
		c, network := scripted(t, fixture(t, "offers_empty"))
		_, err := c.Offers.Search(t.Context(), vast.OfferQuery{Filter: filter})
		if err != nil {
			require.ErrorIs(t, err, vast.Invalid)
			require.Empty(t, network.sent)
		} else {
			require.Len(t, network.sent[0].decoded(t), 4, "the filter beside type, limit and order")
		}

		c, network = scripted(t, fixture(t, "instances_empty"))
		for _, err := range c.Instances.List(t.Context(), vast.InstanceListOptions{Filter: filter}) {
			require.ErrorIs(t, err, vast.Invalid)
			require.Empty(t, network.sent)
			return
		}
		query, err := url.ParseQuery(network.sent[0].query)
		require.NoError(t, err)
		require.Len(t, query, 3)
		require.True(t, json.Valid([]byte(query.Get("select_filters"))))
	})
}
