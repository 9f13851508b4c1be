// Package rig is the bench that tests put the whole program on: a market in
// memory, a journal, and the assembled server. Only tests import it.
//
// The one rule: everything below the transport is what ships; only the market
// is simulated, and every request to it is counted.
package rig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/server"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// Options say what is different from a plain rig. The zero Options are one.
type Options struct {
	Market    sandbox.Options
	Beside    *Rig       // shares its market; nil: one of its own
	Mode      guard.Mode // empty: client
	Policy    guard.Policy
	Selection tool.Selection
	Key       string                                    // API key; empty: the market's
	NoKey     bool                                      // no API key at all
	Journal   *journal.Journal                          // nil: in memory
	Transport func(http.RoundTripper) http.RoundTripper // wraps the way to the market
	Pace      vast.Pace                                 // the zero Pace sets no limit
	Configure func(*server.Config)                      // has the last word
}

// Rig is the program on the bench.
type Rig struct {
	Market  *sandbox.Market
	App     *server.App
	Client  *vast.Client
	Journal *journal.Journal
	Log     *strings.Builder

	t        *testing.T
	requests *counter
}

// New puts the program on the bench; the test's end takes it off.
func New(t *testing.T, o Options) *Rig {
	t.Helper()
	market, err := sandbox.Open(o.Market)
	require.NoError(t, err)
	if o.Beside != nil {
		market = o.Beside.Market
	}
	r := &Rig{Market: market, Journal: o.Journal, Log: &strings.Builder{}, t: t, requests: &counter{base: market.Transport(), seen: map[string]int{}}}
	var transport http.RoundTripper = r.requests
	if o.Transport != nil {
		transport = o.Transport(transport)
	}
	key := market.Key()
	if o.Key != "" || o.NoKey {
		key = o.Key
	}
	r.Client, err = vast.NewClient(key, vast.WithBaseURL(market.Origin()), vast.WithTransport(transport), vast.WithPace(o.Pace))
	require.NoError(t, err)
	if r.Journal == nil {
		r.Journal = journal.New("", vast.SystemClock{}.Now)
	}
	config := r.config(o)
	if o.Configure != nil {
		o.Configure(&config)
	}
	r.App, err = server.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.App.Close()) })
	return r
}

func (r *Rig) config(o Options) server.Config {
	if o.Mode == "" {
		o.Mode = guard.Client
	}
	if o.Policy.DefaultLease == 0 {
		o.Policy.DefaultLease, o.Policy.MaxLease = 24*time.Hour, 168*time.Hour
	}
	return server.Config{
		Version: "test", Client: r.Client, Journal: r.Journal, Clock: vast.SystemClock{}, Log: slog.New(slog.NewTextHandler(&locked{w: r.Log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Key: func() ([]byte, error) { return []byte("a key for tests that is long enough"), nil }, Policy: o.Policy, Mode: o.Mode,
		Selection: o.Selection, Sandbox: true, ApproveCommand: func(code string) string { return "vast-mcp approve " + code },
		AnswerWithin: 45 * time.Second, OrderWithin: 20 * time.Second, PollEvery: 10 * time.Millisecond,
	}
}

// Call calls a tool as the command line does. args is JSON.
func (r *Rig) Call(name, args string) tool.Result {
	r.t.Helper()
	res, err := r.App.Call(r.t.Context(), name, json.RawMessage(args), nil)
	require.NoError(r.t, err)
	return res
}

// Must calls a tool that has to succeed and decodes its result into out.
func (r *Rig) Must(out any, name, args string) {
	r.t.Helper()
	res := r.Call(name, args)
	require.Nil(r.t, res.Failure, "%s %s: %+v", name, args, res.Failure)
	require.NoError(r.t, json.Unmarshal(res.Structured, out))
}

// Fails calls a tool that has to fail with that code and returns the failure.
func (r *Rig) Fails(code tool.Code, name, args string) *tool.Failure {
	r.t.Helper()
	res := r.Call(name, args)
	require.NotNil(r.t, res.Failure, "%s %s answered %s", name, args, res.Structured)
	require.Equal(r.t, code, res.Failure.Code, res.Failure.Message)
	require.NotEmpty(r.t, res.Failure.Next, "%s: a failure names the next step", res.Failure.Message)
	return res.Failure
}

// Approved calls a guarded tool, approves its quote as a person on the command
// line would, and calls it again.
func (r *Rig) Approved(name, args string) tool.Result {
	r.t.Helper()
	res := r.Call(name, args)
	if res.Status == tool.ApprovalNeeded {
		r.Approve()
		res = r.Call(name, args)
	}
	return res
}

// Approve says yes to everything that waits.
func (r *Rig) Approve() {
	r.t.Helper()
	for _, w := range r.waiting() {
		require.NoError(r.t, guard.AnswerWaiting(r.t.Context(), r.Journal, w, guard.Answer{Yes: true, Via: "test", OutBand: true}))
	}
}

func (r *Rig) waiting() []guard.Waiting {
	r.t.Helper()
	all, err := guard.ListWaiting(r.t.Context(), r.Journal, vast.SystemClock{}.Now())
	require.NoError(r.t, err)
	return all
}

// Offer returns the id of the cheapest offer for one such GPU.
func (r *Rig) Offer(gpu string) int64 {
	r.t.Helper()
	var found struct {
		Offers []struct {
			OfferID int64 `json:"offer_id"`
		} `json:"offers"`
	}
	args, err := json.Marshal(map[string]any{"gpu_names": []string{gpu}, "num_gpus": 1, "limit": 1})
	require.NoError(r.t, err)
	r.Must(&found, "search_offers", string(args))
	require.NotEmpty(r.t, found.Offers)
	return found.Offers[0].OfferID
}

// Break makes the market fail from now on; see sandbox.ParseFault.
func (r *Rig) Break(faults ...string) {
	r.t.Helper()
	for _, text := range faults {
		f, err := sandbox.ParseFault(text)
		require.NoError(r.t, err)
		r.Do(http.MethodPost, "/__sandbox/faults", f)
	}
}

// ReplaceKey gives the account's key id another public key, as the console can.
func (r *Rig) ReplaceKey(id int64, publicKey string) {
	r.t.Helper()
	r.Do(http.MethodPut, fmt.Sprintf("/api/v0/ssh/%d/", id), map[string]any{"id": id, "ssh_key": publicKey})
}

// Do makes a request of the market that the program itself never makes.
func (r *Rig) Do(method, path string, content any) {
	r.t.Helper()
	body, err := json.Marshal(content)
	require.NoError(r.t, err)
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.Market.Origin()+path, bytes.NewReader(body))
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer "+r.Market.Key())
	resp, err := r.Market.Transport().RoundTrip(req)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	require.Equal(r.t, http.StatusOK, resp.StatusCode)
}

// Requests is how many requests of a method went to paths that contain part.
func (r *Rig) Requests(method, part string) int { return r.requests.count(method, part) }

// Machines lists the instances that the market's ledger has ever charged.
func (r *Rig) Machines() map[int64]bool {
	r.t.Helper()
	entries, err := r.Market.Ledger()
	require.NoError(r.t, err)
	ids := map[int64]bool{}
	for _, e := range entries {
		ids[e.InstanceID] = true
	}
	return ids
}

// counter counts what passes.
type counter struct {
	base http.RoundTripper
	mu   sync.Mutex
	seen map[string]int
}

// RoundTrip counts and passes on.
func (c *counter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.seen[req.Method+" "+req.URL.Path]++
	c.mu.Unlock()
	return c.base.RoundTrip(req)
}

func (c *counter) count(method, part string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for line, times := range c.seen {
		if strings.HasPrefix(line, method+" ") && strings.Contains(line, part) {
			n += times
		}
	}
	return n
}

// locked makes a builder safe for several goroutines.
type locked struct {
	mu sync.Mutex
	w  *strings.Builder
}

// Write appends.
func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
