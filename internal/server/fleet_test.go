package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/journaltest"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// fleet is two servers on one account with one journal.
type fleet struct {
	t       *testing.T
	servers [2]*rig.Rig
	journal *journal.Journal // a third process, which only looks
	realm   string
	orders  *orders
}

// orders are the nonces that went over the wire to the market.
type orders struct {
	mu     sync.Mutex
	nonces []string
}

func (o *orders) watch(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/asks/") {
			body, err := io.ReadAll(req.Body)
			var order struct{ Label string }
			if err = errors.Join(err, json.Unmarshal(body, &order)); err != nil {
				return nil, err
			}
			req = req.Clone(req.Context())
			req.Body = io.NopCloser(bytes.NewReader(body))
			_, tail, _ := rental.ParseLabel(order.Label)
			o.mu.Lock()
			o.nonces = append(o.nonces, tail.Nonce)
			o.mu.Unlock()
		}
		return next.RoundTrip(req)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// newFleet puts two servers on the database at serving, which is looked at
// beside them at looking.
func newFleet(t *testing.T, serving, looking journaltest.Place, p guard.Policy) *fleet {
	t.Helper()
	f := &fleet{t: t, journal: looking.Open(vast.SystemClock{}.Now), orders: &orders{}}
	p.DefaultLease, p.MaxLease = 24*time.Hour, 168*time.Hour
	for i := range f.servers {
		f.servers[i] = rig.New(t, rig.Options{
			Market: fast(), Beside: f.servers[0], Mode: guard.Operator, Policy: p,
			Journal: serving.Open(vast.SystemClock{}.Now), Transport: f.orders.watch,
		})
	}
	f.realm = realmOf(t, f.servers[0])
	return f
}

// wanted are n different rentals, quoted and approved.
func (f *fleet) wanted(n int) []string {
	f.t.Helper()
	var found struct {
		Offers []struct {
			OfferID int64 `json:"offer_id"`
		} `json:"offers"`
	}
	f.servers[0].Must(&found, "search_offers", `{"limit":60,"num_gpus":1}`)
	calls := make([]string, n)
	for i := range calls {
		offer := found.Offers[i%len(found.Offers)].OfferID
		calls[i] = fmt.Sprintf(`{"offer_id":%d,"image":"a/b","label":"job-%d"}`, offer, i)
		res := f.servers[i%2].Call("create_instance", calls[i])
		require.Nil(f.t, res.Failure, "%+v", res.Failure)
		require.Equal(f.t, tool.ApprovalNeeded, res.Status)
	}
	f.servers[1].Approve()
	return calls
}

// atOnce makes all calls at the same time, half of them on each server.
func (f *fleet) atOnce(calls []string) []tool.Result {
	f.t.Helper()
	results := make([]tool.Result, len(calls))
	var all sync.WaitGroup
	for i, args := range calls {
		all.Go(func() { results[i] = f.servers[i%2].Call("create_instance", args) })
	}
	all.Wait()
	return results
}

// requireKnown checks that nothing was done that the journal does not know of.
func (f *fleet) requireKnown() {
	f.t.Helper()
	sent := map[string]bool{}
	for _, e := range journaltest.Events(f.t, f.journal, f.realm) {
		if e.Kind == string(journal.Sent) {
			require.False(f.t, sent[e.Subject], "sent once")
			sent[e.Subject] = true
		}
	}
	ordered := map[string]bool{}
	for _, nonce := range f.orders.nonces {
		require.True(f.t, sent[nonce], "order %s is not in the journal", nonce)
		require.False(f.t, ordered[nonce], "order %s went out twice", nonce)
		ordered[nonce] = true
	}
	all, err := f.servers[0].Client.Instances.All(f.t.Context())
	require.NoError(f.t, err)
	for _, machine := range all {
		_, tail, _ := rental.ParseLabel(machine.Label)
		require.True(f.t, ordered[tail.Nonce], "instance %d is of no order", machine.ID)
	}
	require.Len(f.t, f.servers[0].Machines(), len(all), "and nothing was there meanwhile")
}

// running lists what runs, and what it costs an hour.
func (f *fleet) running() (n int, rate usd.Amount) {
	f.t.Helper()
	var list struct {
		Instances []struct {
			PerHour usd.Amount `json:"dollars_per_hour"`
		} `json:"instances"`
	}
	f.servers[0].Must(&list, "list_instances", `{}`)
	for _, i := range list.Instances {
		rate += i.PerHour
	}
	return len(list.Instances), rate
}

func TestAHundredAtOnceKeepEveryLimit(t *testing.T) {
	for name, p := range map[string]guard.Policy{
		"by count": {MaxInstances: new(7)},
		"by rate":  {MaxTotalPerHour: new(usd.Dollar)},
	} {
		t.Run(name, func(t *testing.T) {
			journaltest.Each(t, func(t *testing.T, place journaltest.Place) {
				t.Helper()
				f := newFleet(t, place, place, p)
				calls := f.wanted(crowd)
				done := 0
				for _, res := range f.atOnce(calls) {
					switch {
					case res.Failure == nil && res.Status == tool.Unknown: // the machine is slow: what runs is counted below
					case res.Failure == nil:
						require.Equal(t, tool.Done, res.Status, "%s", res.Structured)
						done++
					default:
						// Two wanted the same one, or one was told of what the other server
						// had rented for the same caller.
						require.Contains(t, []tool.Code{tool.OverPolicy, tool.OfferGone, tool.Undelivered, tool.TimedOut}, res.Failure.Code, res.Failure.Message)
					}
				}
				n, rate := f.running()
				require.LessOrEqual(t, done, n)
				require.Positive(t, n)
				if p.MaxInstances != nil {
					require.LessOrEqual(t, n, *p.MaxInstances)
				} else {
					require.LessOrEqual(t, rate, *p.MaxTotalPerHour)
				}
				f.requireKnown()
			})
		})
	}
}

// TestTheDatabaseIsPulled: connections break right before and right after
// commits, and the whole database goes away again and again, while rentals are
// under way.
func TestTheDatabaseIsPulled(t *testing.T) {
	for range 3 {
		journaltest.Postgres(t, func(t *testing.T, place journaltest.Place) {
			t.Helper()
			wire, there := place.Wire()
			f := newFleet(t, there, place, guard.Policy{MaxInstances: new(12)})
			calls := f.wanted(30)
			var outages sync.WaitGroup
			wire.OnCommit(func(forward func()) bool {
				fate := rand.IntN(200)
				if fate >= 12 { // it reaches the database
					forward()
				}
				if fate == 24 {
					outages.Go(func() {
						wire.Cut()
						<-time.After(time.Duration(rand.IntN(100)) * time.Millisecond)
						wire.Mend()
					})
				}
				return fate > 24
			})
			f.atOnce(calls)
			wire.OnCommit(nil)
			outages.Wait()
			for _, s := range f.servers {
				_, _, err := s.App.Settle(t.Context())
				require.NoError(t, err)
			}
			f.requireKnown()
			n, _ := f.running()
			require.LessOrEqual(t, n, 12)
		})
	}
}

func TestWithTheDatabaseGoneNothingIsRentedAndAllCanBeEnded(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, place journaltest.Place) {
		t.Helper()
		wire, there := place.Wire()
		f := newFleet(t, there, place, guard.Policy{})
		calls := f.wanted(2)
		var rented struct {
			InstanceID int64 `json:"instance_id"`
		}
		f.servers[0].Must(&rented, "create_instance", calls[0])
		before := len(journaltest.Events(t, f.journal, f.realm))

		wire.Cut()
		for _, s := range f.servers {
			for _, args := range []string{calls[1], strings.Replace(calls[1], "a/b", "c/d", 1)} {
				res := s.Call("create_instance", args)
				require.NotNil(t, res.Failure)
				require.Equal(t, tool.Unavailable, res.Failure.Code, res.Failure.Message)
				require.Contains(t, res.Failure.Message, "the database of the journal cannot be reached")
				require.NotContains(t, res.Failure.Message+res.Failure.Next+s.Log.String(), "127.0.0.1", "the address is not told")
			}
		}
		var stopped struct{ Status tool.Status }
		f.servers[1].Must(&stopped, "stop_instance", fmt.Sprintf(`{"instance_id":%d}`, rented.InstanceID))
		require.Equal(t, tool.Done, stopped.Status)
		require.Len(t, f.orders.nonces, 1)
		require.Len(t, journaltest.Events(t, f.journal, f.realm), before, "no row is half written")

		wire.Mend()
		f.servers[1].Must(&stopped, "create_instance", calls[1])
		require.Equal(t, tool.Done, stopped.Status, "it goes on where it was")
		f.requireKnown()
	})
}
