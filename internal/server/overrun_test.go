package server_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/usd"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// TestWhatTurnsOutDearerThanAllowedIsStopped within a look or two, whatever its
// lease says. It is never destroyed, and what is not ours never touched.
func TestWhatTurnsOutDearerThanAllowedIsStopped(t *testing.T) {
	for name, c := range map[string]struct {
		policy guard.Policy
		from   string // what the API says of every instance by then
		to     string
		why    string // empty: nothing is stopped
	}{
		"the price was raised":           {guard.Policy{MaxPerHour: new(usd.Dollar)}, `"dph_total":[0-9.]+`, `"dph_total":3`, "it costs $3.00/h by now"},
		"raised within the limit":        {guard.Policy{MaxPerHour: new(5 * usd.Dollar)}, `"dph_total":[0-9.]+`, `"dph_total":3`, ""},
		"over the total":                 {guard.Policy{MaxTotalPerHour: new(3 * usd.Dollar)}, `"dph_total":[0-9.]+`, `"dph_total":2`, "all that runs costs $4.00/h"},
		"traffic":                        {guard.Policy{MaxPerRental: new(5 * usd.Dollar)}, `"inet_up_billed":[0-9.]+`, `"inet_up_billed":9e6`, "for traffic, and $5.00 is allowed"},
		"the day is used up":             {guard.Policy{DailyBudget: new(9 * usd.Dollar)}, `"amount":[0-9.]+`, `"amount":20`, "$9.00 a day is allowed"},
		"nothing is limited but a count": {guard.Policy{MaxInstances: new(9)}, `"dph_total":[0-9.]+`, `"dph_total":3`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var grown atomic.Bool
			o := rig.Options{Policy: c.policy, Transport: func(next http.RoundTripper) http.RoundTripper {
				return rewritten{next, func(body []byte) []byte {
					if !grown.Load() {
						return body
					}
					return regexp.MustCompile(c.from).ReplaceAll(body, []byte(c.to))
				}}
			}}
			o.Policy.DefaultLease, o.Policy.MaxLease = time.Hour, 24*time.Hour
			inLease(t, rental.OnExpiryDestroy, o, func(l *leased) {
				foreign, err := l.r.Client.Instances.Create(l.t.Context(), vast.OfferID(l.r.Offer("RTX 3090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh"})
				require.NoError(l.t, err)
				<-time.After(10 * time.Minute)
				require.True(l.t, l.running())
				grown.Store(true)
				<-time.After(150 * time.Second)
				require.NotZero(l.t, l.row().ID)
				require.Equal(l.t, c.why == "", l.running())
				require.Contains(l.t, l.r.Log.String(), c.why)
				other, err := l.r.Client.Instances.Get(l.t.Context(), foreign)
				require.NoError(l.t, err)
				require.True(l.t, rental.Running(other))
			})
		})
	}
}

// rewritten changes the bodies of all answers.
type rewritten struct {
	next http.RoundTripper
	edit func([]byte) []byte
}

// RoundTrip passes on and edits.
func (r rewritten) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil || !strings.HasPrefix(req.URL.Path, "/api/") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	body = r.edit(body)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}
