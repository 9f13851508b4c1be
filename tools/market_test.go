package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/tools"
	"vast-mcp/vast"
)

// TestARawFilterOverridesNothing: what an argument asks for stays asked for.
func TestARawFilterOverridesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		for _, c := range []struct{ args, field, argument string }{
			{`{"query":{"verified":{"eq":false}}}`, "verified eq", "verified_only"},
			{`{"max_dollars_per_hour":0.5,"query":{"dph_total":{"lte":50}}}`, "dph_total lte", "max_dollars_per_hour"},
			{`{"query":{"disk_space":{"gte":1}}}`, "disk_space gte", "disk_gb"},
			{`{"gpu_names":["RTX 4090"],"query":{"gpu_name":{"in":["RTX 3090"]}}}`, "gpu_name in", "gpu_names"},
			{`{"regions":["SE"],"query":{"geolocation":{"in":["US"]}}}`, "geolocation in", "regions"},
		} {
			f := r.Fails(tool.InvalidArguments, "search_offers", c.args)
			require.Contains(t, f.Message, "query: "+c.field, c.args)
			require.Contains(t, f.Message, c.argument, c.args)
			require.Contains(t, f.Next, c.argument, c.args)
		}
		t.Log("another comparison of the same field narrows, and both hold")
		f := search(t, r, `{"max_dollars_per_hour":1,"query":{"dph_total":{"gte":0.4}},"limit":64}`)
		require.NotEmpty(t, f.Offers)
		for _, o := range f.Offers {
			require.LessOrEqual(t, o.PerHour, 1.0)
			require.GreaterOrEqual(t, o.PerHour, 0.4)
		}
		require.NotEmpty(t, search(t, r, `{"verified_only":false,"query":{"verified":{"eq":false}}}`).Offers)
	})
}

// TestCardsReportLessThanTheirName: 24 GB are 24564 MB or 23028, and 22 GB are
// no 24.
func TestCardsReportLessThanTheirName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Value
		r := rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(req *http.Request) (*http.Response, error) {
				if strings.Contains(req.URL.Path, "/bundles/") {
					asked.Store(body(req))
				}
				return next.RoundTrip(req)
			})
		}})
		for gb, fits := range map[string][2]float64{ // the least MB that fits, and the most that does not
			"24": {23028, 22528},
			"48": {46068, 40960},
			"80": {81559, 73728},
		} {
			search(t, r, `{"min_gpu_ram_gb":`+gb+`}`)
			var sent struct {
				RAM struct {
					GTE float64 `json:"gte"`
				} `json:"gpu_ram"`
			}
			require.NoError(t, json.Unmarshal([]byte(asked.Load().(string)), &sent))
			require.LessOrEqual(t, sent.RAM.GTE, fits[0], gb)
			require.Greater(t, sent.RAM.GTE, fits[1], gb)
		}
		require.NotEmpty(t, search(t, r, `{"gpu_names":["A10"],"min_gpu_ram_gb":24,"verified_only":false}`).Offers)
	})
}

// TestNothingMatchesAndTheSearchForTheReasonFails: that nothing matches is the
// answer, and it comes in time.
func TestNothingMatchesAndTheSearchForTheReasonFails(t *testing.T) {
	const none = `{"gpu_names":["RTX 4090"],"max_dollars_per_hour":0.01}`
	t.Run("one search", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := rig.New(t, rig.Options{Transport: failSearches(1, 4)})
			f := search(t, r, none)
			require.Empty(t, f.Offers)
			require.Contains(t, f.LeftOut, "Without max_dollars_per_hour there would be", "the others tell")
		})
	})
	t.Run("all searches", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := rig.New(t, rig.Options{Transport: failSearches(1, 99)})
			f := search(t, r, none)
			require.Empty(t, f.Offers)
			require.Contains(t, f.LeftOut, "could not be found out")
		})
	})
	t.Run("slow searches", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := rig.New(t, rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(req *http.Request) (*http.Response, error) {
					select {
					case <-time.After(9 * time.Second):
					case <-req.Context().Done():
						return nil, req.Context().Err()
					}
					return next.RoundTrip(req)
				})
			}})
			began := time.Now()
			f := search(t, r, none)
			require.Empty(t, f.Offers)
			require.NotContains(t, f.LeftOut, "No single filter", "not all were tried")
			require.Less(t, time.Since(began), 44*time.Second)
		})
	})
}

// failSearches lets some searches through and then fails so many.
func failSearches(through, fail int) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if !strings.Contains(req.URL.Path, "/bundles/") {
				return next.RoundTrip(req)
			}
			if through--; through >= 0 {
				return next.RoundTrip(req)
			}
			if fail--; fail >= 0 {
				return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
			}
			return next.RoundTrip(req)
		})
	}
}

// TestModelsThatCouldNotBeRead: a failure on the way is not "too many".
func TestModelsThatCouldNotBeRead(t *testing.T) {
	for _, c := range []struct {
		err     error
		tooMany bool
	}{
		{&vast.Error{Code: vast.Unavailable, Err: context.DeadlineExceeded}, true},
		{&vast.Error{Code: vast.Throttled, NotSent: true}, true}, // its turn would have come too late
		{&vast.Error{Code: vast.Incomplete}, true},               // too many at one price
		{&vast.Error{Code: vast.Throttled, Status: http.StatusTooManyRequests}, false},
		{&vast.Error{Code: vast.Unavailable, Status: http.StatusBadGateway}, false},
		{errors.New("a defect"), false},
	} {
		runner := tool.NewRunner(tool.Config{
			Explain: tools.Explain, Caller: func(context.Context) string { return "test" }, AnswerWithin: time.Minute, Now: time.Now,
		}, tools.Sets(tools.Deps{Market: halfMarket{c.err}, InForce: func(context.Context) guard.InForce { return guard.InForce{} }}))
		list, found := runner.Find("list_gpus")
		require.True(t, found)
		res := runner.Call(t.Context(), list, json.RawMessage(`{}`), nil)
		require.Nil(t, res.Failure, "%+v", res.Failure)
		var out struct {
			GPUs    []any  `json:"gpus"`
			LeftOut string `json:"left_out"`
		}
		require.NoError(t, json.Unmarshal(res.Structured, &out))
		require.Len(t, out.GPUs, 1)
		require.Contains(t, out.LeftOut, "Offers dearer than $0.40/h")
		require.Equal(t, c.tooMany, strings.Contains(out.LeftOut, "too many to read"), out.LeftOut)
		require.Equal(t, !c.tooMany, strings.Contains(out.LeftOut, "Call again"), out.LeftOut)
	}
}

// halfMarket is read as far as its first offer.
type halfMarket struct{ err error }

func (halfMarket) Search(context.Context, vast.OfferQuery) ([]vast.Offer, error) { return nil, nil }

func (halfMarket) GPUNames(context.Context) ([]string, error) { return nil, nil }

func (m halfMarket) All(context.Context, vast.OfferQuery) iter.Seq2[vast.Offer, error] {
	return func(yield func(vast.Offer, error) bool) {
		_ = yield(vast.Offer{ID: 1, GPUName: "RTX 4090", NumGPUs: 1, GPUPerHour: 0.4, PerHour: 0.4}, nil) && yield(vast.Offer{}, m.err)
	}
}

// body reads a request and leaves it as it was.
func body(req *http.Request) string {
	data, err := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(data))
	if err != nil {
		return err.Error()
	}
	return string(data)
}
