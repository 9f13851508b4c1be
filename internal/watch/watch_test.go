package watch_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"vast-mcp/internal/watch"
	"vast-mcp/vast"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is an account whose instances become running after a while.
type source struct {
	mu          sync.Mutex
	ready       time.Time
	gone        bool
	failures    int
	gets, lists int
	unlisted    vast.InstanceID
}

func (s *source) row(id vast.InstanceID) vast.Instance {
	in := vast.Instance{ID: id, Status: "loading"}
	if !time.Now().Before(s.ready) {
		in.Status = "running"
	}
	return in
}

func (s *source) Get(_ context.Context, id vast.InstanceID) (vast.Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets++
	if s.failures > 0 {
		s.failures--
		return vast.Instance{}, errors.New("broken")
	}
	if s.gone {
		return vast.Instance{}, vast.NotFound
	}
	return s.row(id), nil
}

func (s *source) All(context.Context) ([]vast.Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	var all []vast.Instance
	for id := range vast.InstanceID(30) {
		if id != s.unlisted {
			all = append(all, s.row(id))
		}
	}
	return all, nil
}

func running(in vast.Instance) bool { return in.Status == "running" }

const every = 10 * time.Second

func TestOneWaiterAsksForItsInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{ready: time.Now().Add(time.Minute), unlisted: -1}
		in, err := watch.New(s, vast.SystemClock{}, every).Until(t.Context(), 7, running)
		require.NoError(t, err)
		require.Equal(t, "running", in.Status)
		require.Equal(t, 7, s.gets, "one look per interval")
		require.Zero(t, s.lists)
	})
}

func TestManyWaitersShareOneList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{ready: time.Now().Add(time.Minute), unlisted: 3}
		w := watch.New(s, vast.SystemClock{}, every)
		var wg sync.WaitGroup
		for id := range vast.InstanceID(20) {
			wg.Go(func() {
				in, err := w.Until(t.Context(), id, running)
				require.NoError(t, err)
				require.Equal(t, id, in.ID)
			})
		}
		wg.Wait()
		require.LessOrEqual(t, s.lists, 8, "20 waiters cost one list per interval")
		require.LessOrEqual(t, s.gets, 20, "and the one that the list lacks its own page")
	})
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{ready: time.Now().Add(time.Hour), unlisted: -1}
		w := watch.New(s, vast.SystemClock{}, every)
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		in, err := w.Until(ctx, 7, running)
		require.NoError(t, err, "running out of time is an answer: how it was seen last")
		require.Equal(t, "loading", in.Status)

		s.failures = 1
		_, err = w.Until(t.Context(), 7, running)
		require.ErrorContains(t, err, "broken")

		s.gone = true
		_, err = w.Until(t.Context(), 7, running)
		require.ErrorIs(t, err, watch.ErrGone)
	})
}
