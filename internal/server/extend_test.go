package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
)

func (l *leased) tail() rental.Tail {
	l.t.Helper()
	_, tail, ok := rental.ParseLabel(l.row().Label)
	require.True(l.t, ok, "a lease is in %q", l.row().Label)
	return tail
}

func (l *leased) longer(hours float64, onExpiry string) string {
	if onExpiry == "" {
		return fmt.Sprintf(`{"instance_id":%d,"lease_hours":%g}`, l.id, hours)
	}
	return fmt.Sprintf(`{"instance_id":%d,"lease_hours":%g,"on_expiry":%q}`, l.id, hours, onExpiry)
}

// extension is what a call of extend_lease answers.
type extension struct {
	Quote struct {
		Most       usd.Amount `json:"most_dollars"`
		PerHour    usd.Amount `json:"dollars_per_hour"`
		LeaseHours float64    `json:"lease_hours"`
	} `json:"quote"`
	Lease struct {
		Until time.Time `json:"until"`
	} `json:"lease"`
}

func (l *leased) extend(args string) (res tool.Result, e extension) {
	l.t.Helper()
	res = l.r.Call("extend_lease", args)
	require.Nil(l.t, res.Failure, "%+v", res.Failure)
	require.NoError(l.t, json.Unmarshal(res.Structured, &e))
	return res, e
}

// TestAnExtensionIsPaidFromTheOldEndToTheNew, and the end that was approved is
// the one that is written, however late.
func TestAnExtensionIsPaidFromTheOldEndToTheNew(t *testing.T) {
	inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
		old := l.tail()
		<-time.After(30 * time.Minute)
		at := l.r.Client.ServerTime()
		res, e := l.extend(l.longer(2, ""))
		require.Equal(l.t, tool.ApprovalNeeded, res.Status)
		require.Equal(l.t, old, l.tail(), "nothing was done")
		require.InDelta(l.t, 1.5, e.Quote.LeaseHours, 0.02)
		require.Equal(l.t, e.Quote.PerHour.For(time.Duration(e.Quote.LeaseHours*float64(time.Hour))), e.Quote.Most)

		<-time.After(5 * time.Minute)
		again, _ := l.extend(l.longer(2, ""))
		require.Equal(l.t, tool.ApprovalNeeded, again.Status)
		require.Equal(l.t, code(l.t, res), code(l.t, again), "the same call is the same quote")
		l.r.Approve()
		done, e := l.extend(l.longer(2, ""))
		require.Equal(l.t, tool.Done, done.Status)
		require.WithinDuration(l.t, at.Add(2*time.Hour), e.Lease.Until, time.Minute, "two hours from when it was quoted")
		require.Equal(l.t, e.Lease.Until, l.tail().Until)
		require.Equal(l.t, old.Nonce, l.tail().Nonce)

		repeated, _ := l.extend(l.longer(2, ""))
		require.Equal(l.t, tool.ApprovalNeeded, repeated.Status, "a call of later is another one")
		<-time.After(time.Until(old.Until) + 10*time.Minute)
		require.True(l.t, l.running(), "its old end has passed")
		<-time.After(time.Until(e.Lease.Until) + 4*time.Minute)
		require.False(l.t, l.running(), "its new end has")
		l.r.Fails(tool.InvalidArguments, "extend_lease", l.longer(2, ""))
	})
}

// TestAnExtensionGrantsNothingThatWasEdited: what somebody wrote into a label is
// no lease that is as long already.
func TestAnExtensionGrantsNothingThatWasEdited(t *testing.T) {
	inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
		edited := l.tail()
		edited.Until, edited.OnExpiry = time.Now().AddDate(50, 0, 0).Truncate(time.Second), rental.OnExpiryDestroy
		l.label("mine " + edited.String())
		res, _ := l.extend(l.longer(2, ""))
		require.Equal(l.t, tool.ApprovalNeeded, res.Status)
		l.label("mine " + edited.String())
		l.r.Approve()
		res, _ = l.extend(l.longer(2, ""))
		require.Equal(l.t, tool.Done, res.Status)
		require.WithinDuration(l.t, time.Now().Add(2*time.Hour), l.tail().Until, time.Minute)
		<-time.After(2*time.Hour + 4*time.Minute)
		require.NotZero(l.t, l.row().ID)
		require.False(l.t, l.running())
	})
}

func code(t *testing.T, res tool.Result) string {
	t.Helper()
	var q struct {
		Quote struct {
			Code string `json:"code"`
		} `json:"quote"`
	}
	require.NoError(t, json.Unmarshal(res.Structured, &q))
	require.NotEmpty(t, q.Quote.Code)
	return q.Quote.Code
}

func TestALeaseOnlyGetsLonger(t *testing.T) {
	inLease(t, rental.OnExpiryDestroy, rig.Options{}, func(l *leased) {
		old := l.tail()
		res, _ := l.extend(l.longer(0.5, ""))
		require.Equal(l.t, tool.Done, res.Status, "it is that long already, which costs nothing")
		require.Equal(l.t, old, l.tail())

		res, _ = l.extend(l.longer(0.5, rental.OnExpiryStop))
		require.Equal(l.t, tool.Done, res.Status, "what erases less is free")
		require.Equal(l.t, rental.OnExpiryStop, l.tail().OnExpiry)
		require.Equal(l.t, old.Until, l.tail().Until)

		res, _ = l.extend(l.longer(0.5, rental.OnExpiryDestroy))
		require.Equal(l.t, tool.ApprovalNeeded, res.Status, "what erases more is asked about")
		require.Equal(l.t, rental.OnExpiryStop, l.tail().OnExpiry)
	})
}

// TestWhatIsStoppedToBeKeptMayStillBeErased, which is said.
func TestWhatIsStoppedToBeKeptMayStillBeErased(t *testing.T) {
	for onExpiry, says := range map[string]bool{rental.OnExpiryDestroy: true, rental.OnExpiryStop: false} {
		inLease(t, onExpiry, rig.Options{}, func(l *leased) {
			<-time.After(10 * time.Minute)
			res := l.r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, l.id))
			require.Equal(l.t, tool.Done, res.Status)
			require.Equal(l.t, says, strings.Contains(string(res.Structured), "its lease destroys it, disk and all"), "%s", res.Structured)
		})
	}
}

// TestAnExtensionIsJudged by every limit, the time that the rental has had
// already included.
func TestAnExtensionIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		policy guard.Policy
		limit  string
		fine   float64 // hours that pass
	}{
		"longest lease": {guard.Policy{MaxLease: 3 * time.Hour}, guard.LimitLease, 2.9},
		"one rental":    {guard.Policy{MaxPerRental: new(usd.Dollar), MaxLease: 100 * time.Hour}, guard.LimitPerRental, 3},
		"a day":         {guard.Policy{DailyBudget: new(usd.Dollar), MaxLease: 100 * time.Hour}, guard.LimitDailyBudget, 3},
		"credit":        {guard.Policy{KeepCredit: new(99 * usd.Dollar), MaxLease: 100 * time.Hour}, guard.LimitKeepCredit, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c.policy.DefaultLease = time.Hour
			inLease(t, rental.OnExpiryStop, rig.Options{Policy: c.policy}, func(l *leased) {
				no := l.r.Fails(tool.OverPolicy, "extend_lease", l.longer(4.5, ""))
				require.Contains(l.t, no.Message+no.Next, map[bool]string{true: "lease"}[c.limit == guard.LimitLease])
				res, _ := l.extend(l.longer(c.fine, ""))
				require.Equal(l.t, tool.ApprovalNeeded, res.Status)
			})
		})
	}
	inLease(t, rental.OnExpiryStop, rig.Options{Policy: guard.Policy{DefaultLease: time.Hour, MaxLease: 100 * time.Hour, MaxInstances: new(1), MaxTotalPerHour: new(usd.Dollar / 2)}}, func(l *leased) {
		res, _ := l.extend(l.longer(50, ""))
		require.Equal(l.t, tool.ApprovalNeeded, res.Status, "it is one of those that run, and not one more")
	})
}

func TestOnlyALeaseOfOursIsExtended(t *testing.T) {
	inLease(t, "", rig.Options{}, func(l *leased) {
		l.order("theirs")
		l.r.Fails(tool.InvalidArguments, "extend_lease", l.longer(2, ""))
		require.Equal(l.t, "theirs", l.row().Label)
	})
}

// TestAnExtensionWhoseAnswerIsLost is written all the same, once, by the same
// call or by whoever looks next.
func TestAnExtensionWhoseAnswerIsLost(t *testing.T) {
	for name, fault := range map[string]string{
		"after the effect": "label:after:drop:3", "before it": "label:before:drop:3", "out of order": "label:before:503:9",
		"and what was written cannot be read": "label:after:502:3",
	} {
		t.Run(name, func(t *testing.T) {
			inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
				l.extend(l.longer(3, ""))
				l.r.Approve()
				until := time.Now().Add(3 * time.Hour)
				l.r.Break(fault)
				l.extend(l.longer(3, ""))
				<-time.After(10 * time.Minute)
				require.WithinDuration(l.t, until, l.tail().Until, time.Minute, "nobody called again")
				<-time.After(2 * time.Hour)
				require.True(l.t, l.running())
				<-time.After(65 * time.Minute)
				require.False(l.t, l.running())
			})
		})
	}
}

// TestExtensionsCommute: of any that run into each other, from several
// processes, the longest counts.
func TestExtensionsCommute(t *testing.T) {
	written := map[int]int{}
	for seed := range uint64(12) {
		dice := rand.New(rand.NewPCG(seed, 5))
		inLease(t, rental.OnExpiryStop, rig.Options{Mode: guard.Auto}, func(l *leased) {
			apps := []*rig.Rig{l.r, rig.New(l.t, rig.Options{Beside: l.r, Journal: l.r.Journal, Mode: guard.Operator, Market: sandbox.Options{Speed: 1}})}
			var calls sync.WaitGroup
			var mu sync.Mutex
			var latest time.Time
			args := map[string]bool{}
			for range 4 {
				args[l.longer(float64(2+dice.IntN(20)), "")] = true
			}
			for a := range args {
				l.r.Call("extend_lease", a)
			}
			l.r.Approve()
			done := 0
			for a := range args {
				app, late := apps[dice.IntN(2)], time.Duration(dice.IntN(30))*time.Millisecond
				calls.Go(func() {
					<-time.After(late)
					res := app.Call("extend_lease", a)
					var e extension
					if res.Status == tool.Done && json.Unmarshal(res.Structured, &e) == nil {
						mu.Lock()
						defer mu.Unlock()
						done++
						if e.Lease.Until.After(latest) {
							latest = e.Lease.Until
						}
					}
				})
			}
			calls.Wait()
			written[done]++
			require.Equal(l.t, latest, l.tail().Until, "seed %d", seed)
		})
	}
	require.Greater(t, len(written), 1, "sometimes several were granted at once: %v", written)
	require.Zero(t, written[0])
}

// TestASessionRentsOnlyWhatEndsItself: its key stops working some time.
func TestASessionRentsOnlyWhatEndsItself(t *testing.T) {
	r := rig.New(t, rig.Options{Mode: guard.Operator, Configure: func(c *server.Config) { c.Session = true }})
	args := func(runType string) string {
		return fmt.Sprintf(`{"offer_id":%d,"image":"a/b","run_type":%q}`, r.Offer("RTX 4090"), runType)
	}
	no := r.Fails(tool.InvalidArguments, "create_instance", args("args"))
	require.Contains(t, no.Message, "two factors")
	require.Equal(t, tool.ApprovalNeeded, r.Call("create_instance", args("ssh")).Status)
}

// TestALeaseThatEndsWithTheServerIsSaid, and that something else could outlive it.
func TestALeaseThatEndsWithTheServerIsSaid(t *testing.T) {
	r := rig.New(t, rig.Options{Mode: guard.Operator, Configure: endsLeases})
	args := fmt.Sprintf(`{"offer_id":%d,"image":"a/b","run_type":"args"}`, r.Offer("RTX 4090"))
	require.Contains(t, string(r.Call("create_instance", args).Structured), "nothing ends this lease when no server runs")
	reaper := rig.New(t, rig.Options{Beside: r, Journal: r.Journal, Configure: func(c *server.Config) { c.Reaper, c.EnforceEvery = true, time.Minute }})
	require.NoError(t, reaper.App.Round(t.Context()).Err)
	said := string(r.Call("create_instance", args).Structured)
	require.NotContains(t, said, "nothing ends this lease")
	require.Contains(t, said, `"enforced_by":["server","reaper"]`)
}

// TestReleasedIsLetBe: the owner opted out, and nothing puts a lease back.
func TestReleasedIsLetBe(t *testing.T) {
	inLease(t, rental.OnExpiryDestroy, rig.Options{}, func(l *leased) {
		_, err := l.r.App.Release(l.t.Context(), l.id)
		require.NoError(l.t, err)
		require.Equal(l.t, "mine [vm-released]", l.row().Label)
		<-time.After(5 * time.Hour)
		require.True(l.t, l.running())
		require.Equal(l.t, "mine [vm-released]", l.row().Label)
		res := l.r.Call("label_instance", fmt.Sprintf(`{"instance_id":%d,"label":"kept"}`, l.id))
		require.Nil(l.t, res.Failure)
		require.Equal(l.t, "kept [vm-released]", l.row().Label)
		_, err = l.r.App.Release(l.t.Context(), l.id)
		require.ErrorAs(l.t, err, new(*rental.BadRequest))

		require.NoError(l.t, l.r.Client.Instances.Stop(l.t.Context(), l.id))
		<-time.After(5 * time.Minute)
		res = l.r.Approved("start_instance", fmt.Sprintf(`{"instance_id":%d,"lease_hours":1}`, l.id))
		require.Equal(l.t, tool.Done, res.Status)
		require.Equal(l.t, time.Hour.Round(time.Minute), time.Until(l.tail().Until).Round(time.Minute), "a start gives it a lease again")
		<-time.After(70 * time.Minute)
		require.False(l.t, l.running())
	})
}

// TestWhatWasStartedAgainIsReleasedToo: the order that made it has long ended,
// and is in its environment still.
func TestWhatWasStartedAgainIsReleasedToo(t *testing.T) {
	inLease(t, rental.OnExpiryStop, rig.Options{}, func(l *leased) {
		<-time.After(70 * time.Minute)
		res := l.r.Approved("start_instance", fmt.Sprintf(`{"instance_id":%d,"lease_hours":1}`, l.id))
		require.Equal(l.t, tool.Done, res.Status)
		<-time.After(5 * time.Minute)
		_, err := l.r.App.Release(l.t.Context(), l.id)
		require.NoError(l.t, err)
		<-time.After(5 * time.Hour)
		require.Equal(l.t, "mine [vm-released]", l.row().Label)
		require.True(l.t, l.running())
	})
}

// deaf loses what would delete something.
type deaf struct{ http.RoundTripper }

func (d deaf) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodDelete {
		return nil, errors.New("connection reset")
	}
	return d.RoundTripper.RoundTrip(req)
}

// TestReap ends what is over and tells the truth about the rest, in a process
// that has nothing but the key.
func TestReap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: sandbox.Options{Speed: 1}, Mode: guard.Operator})
		l := &leased{t, r, rent(t, r, rental.OnExpiryDestroy)}
		reaper := func(o rig.Options) *rig.Rig {
			o.Beside, o.Market, o.Configure = r, sandbox.Options{Speed: 1}, func(c *server.Config) { c.Reaper, c.EnforceEvery = true, time.Minute }
			return rig.New(t, o)
		}
		fresh := reaper(rig.Options{})
		round := fresh.App.Reap(t.Context(), time.Minute)
		require.NoError(t, round.Err)
		require.Empty(t, round.Did)
		require.Empty(t, round.Left)
		require.True(t, l.running())
		require.Equal(t, 1, fresh.Requests("GET", "/api/v1/instances/"), "one list is enough")

		<-time.After(62 * time.Minute)
		round = reaper(rig.Options{Transport: func(way http.RoundTripper) http.RoundTripper { return deaf{way} }}).App.Reap(t.Context(), time.Minute)
		require.NotEmpty(t, round.Left, "it is not gone")
		require.NotZero(t, l.row().ID)
		round = reaper(rig.Options{}).App.Reap(t.Context(), time.Minute)
		require.NoError(t, round.Err)
		require.Empty(t, round.Left)
		require.Zero(t, l.row().ID)
		require.Equal(t, l.id, round.Did[0].Instance)
	})
}
