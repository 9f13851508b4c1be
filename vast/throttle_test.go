package vast_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

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
		require.Equal(t, seconds(0, 0, 0, 0, 0, 2, 4, 6), j.at)
	})
}

func TestZeroPaceNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.Pace{})
		for range 20 {
			require.NoError(t, c.Instances.Destroy(t.Context(), 1))
		}
		require.Len(t, j.at, 20)
		require.Zero(t, j.at[19])
	})
}

func TestUrgentGoesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, j := paced(t, vast.Pace{Burst: 1, Every: 2 * time.Second})
		_, err := c.Offers.GPUNames(t.Context())
		require.NoError(t, err)

		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Offers.GPUNames(t.Context()) })
		synctest.Wait() // the slow one waits for second 2
		wg.Go(func() { _ = c.Instances.Stop(t.Context(), 1) })
		synctest.Wait()
		wg.Go(func() { _ = c.Instances.Destroy(t.Context(), 1) })
		wg.Wait()

		require.Equal(t, []string{
			"GET /api/v0/gpu_names/unique/", "PUT /api/v0/instances/1/",
			"DELETE /api/v0/instances/1/", "GET /api/v0/gpu_names/unique/",
		}, j.calls)
		require.Equal(t, seconds(0, 2, 4, 6), j.at)
	})
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
