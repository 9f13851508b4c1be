package vast_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

func TestSearch(t *testing.T) {
	c, network := scripted(t, fixture(t, "offers"))
	found, err := c.Offers.Search(t.Context(), vast.OfferQuery{
		Filter:  vast.Filter{}.With("gpu_ram", "gte", 24000).With("dph_total", "gte", 0.1).With("dph_total", "lte", 0.9),
		Pricing: vast.Interruptible,
		DiskGB:  10,
		Order:   []vast.Order{{Field: "dph_total"}, {Field: "dlperf", Desc: true}},
		Limit:   500,
	})
	require.NoError(t, err)
	require.Equal(t, "POST", network.sent[0].method)
	require.Equal(t, "/api/v0/bundles/", network.sent[0].path)
	require.Equal(t, map[string]any{
		"gpu_ram":           map[string]any{"gte": 24000.},
		"dph_total":         map[string]any{"gte": 0.1, "lte": 0.9},
		"type":              "bid",
		"allocated_storage": 10.,
		"limit":             64.,
		"order":             []any{[]any{"dph_total", "asc"}, []any{"dlperf", "desc"}},
	}, network.sent[0].decoded(t))

	require.Len(t, found, 2)
	require.Equal(t, ", US", found[0].Geolocation)
	require.Equal(t, "US", found[0].Country())
	require.False(t, found[0].Datacenter)
	require.InDelta(t, 0.8027777, found[1].PerHour, 1e-6)
	o := found[1]
	o.PerHour, o.DiskPerHour, o.DiscountedPerHour = 0, 0, 0
	require.Equal(t, vast.Offer{
		ID: 41234567, MachineID: 30567, HostID: 90210, GPUName: "RTX 4090", NumGPUs: 2,
		GPURAMMB: 24564, GPUTotalRAMMB: 49128, GPUFraction: 0.5, GPUArch: "nvidia", ComputeCap: 890, CUDA: 12.8,
		Driver: "570.124.06", DLPerf: 191.84, TotalFLOPS: 165.2, CPUName: "AMD EPYC 7543 32-Core Processor",
		CPUArch: "amd64", CPURAMMB: 257698, CPUCores: 64, CPUCoresEffective: 32, DiskSpaceGB: 812.5,
		DiskBandwidth: 5120.4, UploadMbps: 921.7, DownloadMbps: 1843.2, DirectPorts: 124, StaticIP: true,
		GPUPerHour: 0.8, DiskPerGBMonth: 0.2, MinBid: 0.42, UploadPerGB: 0.0065104166666666,
		DownloadPerGB: 0.0052083333333333, Reliability: 0.9961234, Geolocation: "Sweden, SE",
		Verification: "verified", Seconds: 2592000, EndDate: 1792592000, Rentable: true,
	}, o)
	require.Equal(t, "SE", o.Country())
	require.Empty(t, vast.Offer{}.Country())
}

func TestSearchDefaults(t *testing.T) {
	c, network := scripted(t, fixture(t, "offers_empty"))
	found, err := c.Offers.Search(t.Context(), vast.OfferQuery{})
	require.NoError(t, err)
	require.NotNil(t, found)
	require.Empty(t, found)
	require.Equal(t, map[string]any{
		"type": "on-demand", "limit": 64., "order": []any{[]any{"dph_total", "asc"}},
	}, network.sent[0].decoded(t))
}

func TestSearchRefusesWhatCannotWork(t *testing.T) {
	tests := map[string]vast.OfferQuery{
		"id":        {Filter: vast.Filter{}.With("id", "eq", 7)},
		"option":    {Filter: vast.Filter{}.With("limit", "eq", 7)},
		"operator":  {Filter: vast.Filter{}.With("gpu_ram", ">=", 7)},
		"no op":     {Filter: vast.Filter{"gpu_ram": nil}},
		"NaN":       {Filter: vast.Filter{}.With("gpu_ram", "gte", math.NaN())},
		"disk":      {DiskGB: -1},
		"disk NaN":  {DiskGB: math.NaN()},
		"disk huge": {DiskGB: math.Inf(1)},
	}
	c, network := scripted(t, ok("{}"))
	for name, q := range tests {
		_, err := c.Offers.Search(t.Context(), q)
		require.ErrorIs(t, err, vast.Invalid, name)
		require.True(t, asError(t, err).NotSent, name)
	}
	require.Empty(t, network.sent)
}

func TestSearchChecksNumbersAgain(t *testing.T) {
	row := `{"id":1,"rentable":true,"gpu_ram":24564,"dph_total":"0.5","target_reliability":0,"inet_up":null,"gpu_name":"A10"}`
	tests := []struct {
		field, op string
		value     any
		kept      bool
	}{
		{"gpu_ram", "gte", 24564, true},
		{"gpu_ram", "gt", 24564, false},
		{"gpu_ram", "lte", 24564, true},
		{"gpu_ram", "lt", 24564, false},
		{"gpu_ram", "eq", 24564.0, true},
		{"gpu_ram", "eq", 24576, false},
		{"gpu_ram", "neq", 1, true},
		{"gpu_ram", "neq", 24564, false},
		{"gpu_ram", "in", []int{1}, true}, // lists are left to the API
		{"dph_total", "lt", 0.4, false},
		{"dph_total", "lt", "0.6", true},
		{"inet_up", "gte", 100, true},
		{"absent", "gte", 100, true},
		{"gpu_name", "eq", "x", true},
		{"target_reliability", "gte", 0.9, true},
	}
	for _, tt := range tests {
		c, _ := scripted(t, ok(`{"offers":[`+row+`]}`))
		found, err := c.Offers.Search(t.Context(), vast.OfferQuery{Filter: vast.Filter{}.With(tt.field, tt.op, tt.value)})
		require.NoError(t, err)
		require.Equal(t, tt.kept, len(found) == 1, "%v", tt)
	}
}

func TestSearchReadsLooseAnswers(t *testing.T) {
	tests := map[string]struct {
		body string
		want []vast.Offer
	}{
		"one object":  {`{"offers":{"id":7,"num_gpus":"2"}}`, []vast.Offer{{ID: 7, NumGPUs: 2}}},
		"null":        {`{"offers":[{"id":7,"gpu_ram":null,"geolocation":null}]}`, []vast.Offer{{ID: 7}}},
		"NaN":         {`{"offers":[{"id":7,"dlperf":NaN,"score":-Infinity,"gpu_name":"\"NaN"}]}`, []vast.Offer{{ID: 7, GPUName: `"NaN`}}},
		"NaN text":    {`{"offers":[{"id":7,"dlperf":"NaN","dph_total":1e999}]}`, []vast.Offer{{ID: 7}}},
		"ask id":      {`{"offers":[{"ask_contract_id":"7.0","num_gpus":1.0}]}`, []vast.Offer{{ID: 7, NumGPUs: 1}}},
		"odd types":   {`{"offers":[{"id":7,"gpu_name":5090,"cpu_name":{"a":1},"dph_total":[],"rentable":1,"rented":"false","static_ip":"verified"}]}`, []vast.Offer{{ID: 7, GPUName: "5090", CPUName: `{"a":1}`, Rentable: true, StaticIP: true}}},
		"error false": {`{"error":false,"offers":[{"id":7}]}`, []vast.Offer{{ID: 7}}},
		"no id":       {`{"offers":[{"num_gpus":1},{"id":7.5},{"id":"x"},{"id":8}]}`, []vast.Offer{{ID: 8}}},
		"unknown key": {`{"offers":[{"id":7,"novel":{"a":[1]}}],"truncated":false}`, []vast.Offer{{ID: 7}}},
		"reliability": {`{"offers":[{"id":7,"reliability2":0.9,"hosting_type":1}]}`, []vast.Offer{{ID: 7, Reliability: 0.9, Datacenter: true}}},
		"huge":        {`{"offers":[{"id":7,"num_gpus":1e300}]}`, []vast.Offer{{ID: 7, NumGPUs: math.MaxInt32}}},
	}
	for name, tt := range tests {
		c, _ := scripted(t, ok(tt.body))
		found, err := c.Offers.Search(t.Context(), vast.OfferQuery{})
		require.NoError(t, err, name)
		require.Equal(t, tt.want, found, name)
	}
	for _, body := range []string{`{}`, `[]`, `null`, `"x"`, `{"offers":null}`, `{"offers":[5]}`, `{"offers":"x"}`, `{"offers":[[]]}`} {
		c, _ := scripted(t, ok(body))
		_, err := c.Offers.Search(t.Context(), vast.OfferQuery{})
		require.ErrorIs(t, err, vast.Garbled, body)
	}
}

func TestGetOffer(t *testing.T) {
	row := func(id int, rentable bool) reply {
		return ok(fmt.Sprintf(`{"offers":[{"id":%d,"rentable":%t}]}`, id, rentable))
	}
	tests := map[string]struct {
		reply reply
		code  vast.Code
	}{
		"there":          {row(7, true), ""},
		"rented":         {row(7, false), vast.Taken},
		"filter ignored": {row(8, true), vast.Taken},
		"gone":           {fixture(t, "offers_empty"), vast.Taken},
		"search refused": {status(401, "{}"), vast.Denied},
	}
	for name, tt := range tests {
		c, network := scripted(t, tt.reply)
		o, err := c.Offers.Get(t.Context(), 7, 25, vast.Interruptible)
		body := network.sent[0].decoded(t)
		require.Equal(t, map[string]any{"eq": 7.}, body["ask_contract_id"])
		require.Equal(t, 25., body["allocated_storage"])
		require.Equal(t, "bid", body["type"])
		if tt.code == "" {
			require.NoError(t, err)
			require.EqualValues(t, 7, o.ID)
			continue
		}
		require.ErrorIs(t, err, tt.code, name)
	}
}

func TestGPUNames(t *testing.T) {
	c, network := scripted(t, fixture(t, "gpu_names"), ok("{}"), status(400, "{}"))
	names, err := c.Offers.GPUNames(t.Context())
	require.NoError(t, err)
	require.Contains(t, names, "RTX 4090")
	require.Equal(t, "/api/v0/gpu_names/unique/", network.sent[0].path)
	_, err = c.Offers.GPUNames(t.Context())
	require.ErrorIs(t, err, vast.Garbled)
	_, err = c.Offers.GPUNames(t.Context())
	require.ErrorIs(t, err, vast.Invalid)
}

// priced makes a page of n offers from id on, at a price each.
func priced(from, n int, price func(int) float64) reply {
	var rows []string
	for id := from; id < from+n; id++ {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"dph_total":%g}`, id, price(id)))
	}
	return ok(`{"offers":[` + strings.Join(rows, ",") + `]}`)
}

func TestAllOffersByPrice(t *testing.T) {
	cents := func(id int) float64 { return float64(id) / 128 }
	c, network := scripted(t, priced(1, 64, cents), priced(64, 64, cents), priced(127, 3, cents))
	q := vast.OfferQuery{
		Filter: vast.Filter{}.With("dph_total", "lte", 9), Limit: 3, Order: []vast.Order{{Field: "score"}},
	}
	var ids []vast.OfferID
	for o, err := range c.Offers.All(t.Context(), q) {
		require.NoError(t, err)
		ids = append(ids, o.ID)
	}
	require.Len(t, ids, 129)
	require.Len(t, network.sent, 3)
	require.Equal(t, map[string]any{"lte": 9.}, network.sent[0].decoded(t)["dph_total"])
	require.Equal(t, map[string]any{"lte": 9., "gte": 0.5}, network.sent[1].decoded(t)["dph_total"])
	require.Len(t, q.Filter["dph_total"], 1, "the caller's filter must stay as it is")
}

func TestAllOffersOfOnePrice(t *testing.T) {
	c, network := scripted(t, priced(1, 64, func(int) float64 { return 1 }))
	var n int
	var last error
	for _, err := range c.Offers.All(t.Context(), vast.OfferQuery{}) {
		if last = err; err == nil {
			n++
		}
	}
	require.Equal(t, 64, n)
	require.ErrorIs(t, last, vast.Incomplete)
	require.Len(t, network.sent, 2)
}

func TestAllOffersStops(t *testing.T) {
	c, network := scripted(t, priced(1, 64, func(int) float64 { return 1 }), status(400, "{}"))
	for range c.Offers.All(t.Context(), vast.OfferQuery{}) {
		break
	}
	require.Len(t, network.sent, 1)
	for _, err := range c.Offers.All(t.Context(), vast.OfferQuery{}) {
		require.ErrorIs(t, err, vast.Invalid)
	}
	require.Len(t, network.sent, 2)
}
