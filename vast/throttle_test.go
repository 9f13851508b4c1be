package vast_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/vast"
)

// journal is a network that notes when which call came, as seconds.
type journal struct {
	mu    sync.Mutex
	start time.Time
	calls []string
	at    []time.Duration
}

func (j *journal) RoundTrip(req *http.Request) (*http.Response, error) {
	j.mu.Lock()
	j.calls = append(j.calls, req.Method+" "+req.URL.Path)
	j.at = append(j.at, time.Since(j.start))
	j.mu.Unlock()
	s := script{replies: []reply{ok(`{"success":true,"offers":[],"gpu_names":[]}`)}}
	return s.RoundTrip(req)
}

func paced(t *testing.T, p vast.Pace) (*vast.Client, *journal) {
	t.Helper()
	j := &journal{start: time.Now()}
	c, err := vast.NewClient(testKey, vast.WithTransport(j), vast.WithPace(p))
	require.NoError(t, err)
	return c, j
}

func TestThrottleIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.Pace{Intervals: true})
		ctx := t.Context()
		require.NoError(t, c.Instances.Destroy(ctx, 1))
		require.NoError(t, c.Instances.Stop(ctx, 1))
		require.NoError(t, c.Instances.Destroy(ctx, 2)) // 3 s after the other
		require.NoError(t, c.Instances.Start(ctx, 1))   // shares the interval of stop
		require.NoError(t, c.Instances.SetLabel(ctx, 1, "x"))
		require.Equal(t, seconds(0, 0, 3, 3, 4), j.at)
	})
}

func TestThrottleBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.LivePace())
		for range 8 {
			_, err := c.Offers.GPUNames(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, seconds(0, 0, 0, 0, 0, 10, 10, 10), j.at)
	})
}

// TestThePaceIsKept whatever is called, by whom, and whoever gives up.
func TestThePaceIsKept(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		type step struct {
			Pause, Patience time.Duration
			Urgent          bool
			Call            int
		}
		within := func(most int) *rapid.Generator[time.Duration] {
			return rapid.Map(rapid.IntRange(0, most), func(n int) time.Duration { return time.Duration(n) * 100 * time.Millisecond })
		}
		steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			return step{within(30).Draw(r, "pause"), within(400).Draw(r, "patience"), rapid.Bool().Draw(r, "urgent"), rapid.IntRange(0, 3).Draw(r, "call")}
		}), 1, 40).Draw(r, "steps")
		var j *journal
		synctest.Test(t, func(t *testing.T) {
			var c *vast.Client
			c, j = paced(t, vast.LivePace())
			var wg sync.WaitGroup
			for _, s := range steps {
				<-time.After(s.Pause)
				wg.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					defer time.AfterFunc(s.Patience, cancel).Stop()
					defer cancel()
					from := c
					if s.Urgent {
						from = c.Urgent()
					}
					switch s.Call {
					case 0:
						_ = from.Instances.Destroy(ctx, 1)
					case 1:
						_ = from.Instances.SetLabel(ctx, 1, "x")
					case 2:
						_, _ = from.Offers.Search(ctx, vast.OfferQuery{})
					case 3:
						_, _ = from.Offers.GPUNames(ctx)
					}
				})
			}
			wg.Wait()
		})
		gaps := map[string]time.Duration{"DELETE /api/v0/instances/1/": 3 * time.Second, "PUT /api/v0/instances/1/": time.Second, "POST /api/v0/bundles/": 6 * time.Second}
		last := map[string]time.Duration{}
		for i, call := range j.calls {
			if i >= 5 {
				require.GreaterOrEqual(r, j.at[i]-j.at[i-5], 10*time.Second, "%v", j.at)
			}
			if before, again := last[call]; again {
				require.GreaterOrEqual(r, j.at[i]-before, gaps[call], call)
			}
			last[call] = j.at[i]
		}
	})
}

// TestReadsPassNobody: what is read at leisure never goes ahead of a client
// that must not wait, whose calls come one after the other.
func TestReadsPassNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.LivePace())
		ctx, leave := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		for range 100 {
			flood.Go(func() {
				for ctx.Err() == nil {
					_, _ = c.Offers.GPUNames(ctx)
				}
			})
		}
		<-time.After(time.Minute + time.Second)
		urgent := c.Urgent()
		for range 4 {
			_, _ = urgent.Account.Current(ctx)
		}
		require.NoError(t, urgent.Instances.SetLabel(ctx, 1, "x"))
		require.LessOrEqual(t, time.Since(j.start), time.Minute+10*time.Second, "they went with the next that could go at all")
		<-time.After(time.Minute)
		leave()
		flood.Wait()
		require.Greater(t, len(j.calls), 55, "and the flood went on")
	})
}

func TestUrgentCallsWaitInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.Pace{Burst: 1, Every: 2 * time.Second})
		urgent := c.Urgent()
		var wg sync.WaitGroup
		for id := range vast.InstanceID(20) {
			wg.Go(func() { _ = urgent.Instances.SetLabel(t.Context(), id+1, "x") })
			synctest.Wait()
		}
		wg.Wait()
		for i, call := range j.calls {
			require.Equal(t, fmt.Sprintf("PUT /api/v0/instances/%d/", i+1), call)
			require.Equal(t, time.Duration(i)*2*time.Second, j.at[i])
		}
	})
}

// TestWhoWaitsForAnEndpointHoldsUpNoOther, nor does whoever left.
func TestWhoWaitsForAnEndpointHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.LivePace())
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { _ = c.Instances.Destroy(ctx, 1) }) // one in 3 s
			synctest.Wait()
		}
		require.NoError(t, c.Instances.Stop(t.Context(), 2))
		require.Zero(t, time.Since(j.start))
		leave()
		wg.Wait()
		_, err := c.Offers.GPUNames(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(j.start), "after the stop, and not after nine that never went")
		require.Equal(t, []string{"DELETE /api/v0/instances/1/", "PUT /api/v0/instances/2/", "GET /api/v0/gpu_names/unique/"}, j.calls)
	})
}

func TestUrgentSharesTheRest(t *testing.T) {
	c, network := scripted(t, fixture(t, "user").with("Date", "Fri, 02 Oct 2026 03:04:05 GMT"))
	_, err := c.Urgent().Account.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Bearer "+testKey, network.sent[0].header.Get("Authorization"))
	require.Equal(t, int64(1790910245), c.ServerTime().Unix())
	require.Equal(t, c.ServerTime(), c.Urgent().ServerTime())
	require.Equal(t, c.Origin(), c.Urgent().Origin())
}

func TestThrottleGivesUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.Pace{Intervals: true})
		require.NoError(t, c.Instances.Destroy(t.Context(), 1))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 3 {
			err := c.Instances.Destroy(ctx, 2)
			require.ErrorIs(t, err, vast.Throttled)
			e := asError(t, err)
			require.True(t, e.NotSent)
			require.False(t, e.Uncertain)
			require.Equal(t, 3*time.Second, e.RetryAfter, "a turn that is not used must not be booked")
		}
		require.Len(t, j.calls, 1)
		require.Zero(t, time.Since(j.start))
	})
}

func TestCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.Pace{Intervals: true})
		require.NoError(t, c.Instances.Destroy(t.Context(), 1))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)

		err := c.Instances.Destroy(ctx, 2)
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, asError(t, err).NotSent)
		require.Len(t, j.calls, 1)
	})
}
