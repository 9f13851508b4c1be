package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// tap notes what reaches the market, and how that answers.
type tap struct {
	mu      sync.Mutex
	passed  []passage
	once    sync.Once
	ordered chan struct{} // closed once the first order was sent
}

type passage struct {
	at     time.Time
	line   string // method and path
	query  string
	status int
}

func (t *tap) over(next http.RoundTripper) http.RoundTripper {
	t.ordered = make(chan struct{}) // in the bubble
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		p := passage{at: time.Now(), line: req.Method + " " + req.URL.Path, query: req.URL.RawQuery}
		res, err := next.RoundTrip(req)
		if err == nil {
			p.status = res.StatusCode
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if strings.HasPrefix(p.line, "PUT /api/v0/asks/") {
			t.once.Do(func() { close(t.ordered) })
		}
		t.passed = append(t.passed, p)
		return res, err
	})
}

// since returns what passed since then, on the lines that begin so.
func (t *tap) since(then time.Time, line string) (some []passage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.passed {
		if !p.at.Before(then) && strings.HasPrefix(p.line, line) {
			some = append(some, p)
		}
	}
	return some
}

// live is a lease on a market that refuses who asks too often, with a client
// that keeps its pace, and all that passes between them.
type live struct {
	*leased
	*tap
}

func onLive(t *testing.T, onExpiry string, market sandbox.Options, test func(l *live)) {
	t.Helper()
	market.RateLimited = true
	passing := &tap{}
	inLease(t, onExpiry, rig.Options{Market: market, Pace: vast.LivePace(), Transport: passing.over}, func(l *leased) {
		test(&live{l, passing})
		for _, p := range passing.since(time.Time{}, "") {
			require.NotEqual(t, http.StatusTooManyRequests, p.status, "%v", p)
		}
	})
}

// flood lets 200 agents read without rest, until the returned func is called.
func (l *live) flood() (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	calls := []struct{ name, args string }{
		{"get_instance", fmt.Sprintf(`{"instance_id":%d}`, max(l.id, 1))},
		{"list_instances", `{}`},
		{"search_offers", `{"limit":1}`},
		{"list_leases", `{}`},
		{"list_orphans", `{}`},
	}
	var agents sync.WaitGroup
	for i := range 200 {
		agents.Go(func() {
			for c := calls[i%len(calls)]; ctx.Err() == nil; <-time.After(time.Second) {
				_, err := l.r.App.Call(ctx, c.name, json.RawMessage(c.args), nil)
				assert.NoError(l.t, err, "there is such a tool")
			}
		})
	}
	return func() {
		cancel()
		agents.Wait()
	}
}

// promised is within what time whatever ends something is served.
const promised = 30 * time.Second

func TestALeaseEndsInAFlood(t *testing.T) {
	onLive(t, rental.OnExpiryStop, sandbox.Options{}, func(l *live) {
		_, lease, _ := rental.ParseLabel(l.row().Label)
		<-time.After(55 * time.Minute)
		began := time.Now()
		defer l.flood()()
		<-time.After(10 * time.Minute)
		require.Greater(l.t, len(l.since(began, "")), 280, "it was a flood: what the market bears was used up")
		stops := l.since(began, "PUT /api/v0/instances/")
		require.NotEmpty(l.t, stops)
		due := lease.Until.Add(time.Minute)
		require.WithinRange(l.t, stops[0].at, due, due.Add(time.Minute).Add(promised), "at the latest in the round that begins a minute later")
	})
}

func TestAnOrderIsSettledInAFlood(t *testing.T) {
	lost, err := sandbox.ParseFault("create:after:drop:1")
	require.NoError(t, err)
	onLive(t, "", sandbox.Options{Faults: []sandbox.Fault{lost}}, func(l *live) {
		call := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, l.r.Offer("RTX 4090"))
		require.Equal(l.t, tool.ApprovalNeeded, l.r.Call("create_instance", call).Status)
		l.r.Approve()
		var caller sync.WaitGroup
		defer caller.Wait()
		caller.Go(func() { l.r.Call("create_instance", call) })
		<-l.ordered
		ordered := time.Now()
		defer l.flood()()
		<-time.After(time.Second)
		_, open, err := l.r.App.Settle(l.t.Context())
		require.NoError(l.t, err)
		require.Empty(l.t, open)
		require.LessOrEqual(l.t, time.Since(ordered), promised)
	})
}

func TestAPersonStopsInAFlood(t *testing.T) {
	onLive(t, rental.OnExpiryStop, sandbox.Options{}, func(l *live) {
		<-time.After(10 * time.Minute)
		defer l.flood()()
		<-time.After(5 * time.Minute)
		for range 5 {
			<-time.After(time.Duration(rand.IntN(60)) * time.Second)
			asked := time.Now()
			res := l.r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, l.id))
			require.Nil(l.t, res.Failure, "%+v", res.Failure)
			require.Equal(l.t, tool.Done, res.Status)
			require.LessOrEqual(l.t, time.Since(asked), promised)
			require.NotEmpty(l.t, l.since(asked, "PUT /api/v0/instances/"))
		}
	})
}

// rentMany rents n machines past this program, each with a lease of ours until
// the moment that until gives it, and returns them in that order.
func (l *live) rentMany(n int, until func(i int) time.Time) (ids []vast.InstanceID) {
	l.t.Helper()
	var offers []vast.Offer
	for len(ids) < n {
		if len(offers) == 0 {
			var err error
			offers, err = l.r.Client.Offers.Search(l.t.Context(), vast.OfferQuery{Filter: vast.Filter{}.With("rentable", "eq", true).With("disk_space", "gte", 100), DiskGB: 10, Limit: 64})
			require.NoError(l.t, err)
			require.NotEmpty(l.t, offers)
		}
		tail := rental.Tail{Nonce: rental.NewNonce(time.Now()), Until: until(len(ids)), OnExpiry: rental.OnExpiryStop}
		id, err := l.r.Client.Instances.Create(l.t.Context(), offers[0].ID, vast.CreateInstance{Image: "a/b", DiskGB: 10, Label: rental.FormatLabel("one", tail, 200)})
		offers = offers[1:]
		if errors.Is(err, vast.Taken) {
			continue // with a part of its machine
		}
		require.NoError(l.t, err)
		ids = append(ids, id)
	}
	return ids
}

// rounds are the pages of each complete look at the list since then.
func (l *live) rounds(then time.Time) (rounds []map[string]int) {
	for _, p := range l.since(then, "GET /api/v1/instances/") {
		query, err := url.ParseQuery(p.query)
		require.NoError(l.t, err)
		if query.Get("after_token") == "" {
			rounds = append(rounds, map[string]int{})
		}
		if len(rounds) > 0 {
			rounds[len(rounds)-1][query.Get("after_token")]++
		}
	}
	return rounds
}

func TestFiveHundredLeases(t *testing.T) {
	if testing.Short() {
		t.Skip("it is about numbers")
	}
	onLive(t, "", sandbox.Options{Credit: 1e6}, func(l *live) {
		far := time.Now().Add(48 * time.Hour)
		l.rentMany(495, func(int) time.Time { return far })
		due := time.Now().Add(10 * time.Minute).Truncate(time.Second)
		order := []int{3, 0, 4, 1, 2}
		ids := l.rentMany(len(order), func(i int) time.Time { return due.Add(time.Duration(order[i]) * time.Second) })

		began := time.Now()
		<-time.After(16 * time.Minute)
		var ended []string
		for _, p := range l.since(began, "PUT /api/v0/instances/") {
			ended = append(ended, p.line)
		}
		want := make([]string, len(ids))
		for i, id := range ids {
			want[order[i]] = fmt.Sprintf("PUT /api/v0/instances/%d/", id)
		}
		require.Greater(l.t, len(ended), len(want)-1)
		require.Equal(l.t, want, ended[:len(want)], "those that are due, the earliest first, and none twice before all are")

		rounds := l.rounds(began)
		require.Greater(l.t, len(rounds), 6)
		for _, pages := range rounds[1 : len(rounds)-1] { // the others may be cut
			require.Len(l.t, pages, 20)
			for page, times := range pages {
				require.Equal(l.t, 1, times, page)
			}
		}
	})
}

func TestManyAreStoppedAtOnce(t *testing.T) {
	onLive(t, "", sandbox.Options{Credit: 1e6}, func(l *live) {
		ids := l.rentMany(70, func(int) time.Time { return time.Now().Add(48 * time.Hour) })
		began := time.Now()
		require.NoError(l.t, l.r.Client.Instances.StopMany(l.t.Context(), ids))
		require.Len(l.t, l.since(began, "PUT /api/v0/instances/"), 2)
		all, err := l.r.Client.Instances.All(l.t.Context())
		require.NoError(l.t, err)
		require.Len(l.t, all, len(ids))
		for _, in := range all {
			require.Equal(l.t, "stopped", in.Wanted)
		}
	})
}

// TestFiveHundredLeasesThatEndTogether are all stopped within five minutes, at a
// pace that the API keeps up with.
func TestFiveHundredLeasesThatEndTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("it is about numbers")
	}
	onLive(t, "", sandbox.Options{Credit: 1e6}, func(l *live) {
		due := time.Now().Add(90 * time.Minute).Truncate(time.Second)
		l.rentMany(500, func(int) time.Time { return due })
		<-time.After(time.Until(due))
		require.Len(l.t, l.running(), 500)
		<-time.After(5 * time.Minute)
		require.Empty(l.t, l.running())
	})
}

// running are the machines whose GPUs the market charges for at this moment.
func (l *live) running() (ids []int64) {
	l.t.Helper()
	entries, err := l.r.Market.Ledger()
	require.NoError(l.t, err)
	for _, e := range entries {
		if e.Kind == "gpu" && e.End.IsZero() {
			ids = append(ids, e.InstanceID)
		}
	}
	return ids
}
