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
	takes       time.Duration // to answer, unless the question is taken back
	takenBack   int
	panics      bool
}

// answer takes its time, and some more to notice that nobody wants it.
func (s *source) answer(ctx context.Context) error {
	if s.panics {
		panic("a defect")
	}
	err := vast.SystemClock{}.Sleep(ctx, s.takes)
	if err != nil {
		<-time.After(time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.takenBack++
	}
	return err
}

func (s *source) row(id vast.InstanceID) vast.Instance {
	in := vast.Instance{ID: id, Status: "loading"}
	if !time.Now().Before(s.ready) {
		in.Status = "running"
	}
	return in
}

func (s *source) Get(ctx context.Context, id vast.InstanceID) (vast.Instance, error) {
	s.mu.Lock()
	s.gets++
	s.mu.Unlock()
	if err := s.answer(ctx); err != nil {
		return vast.Instance{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures > 0 {
		s.failures--
		return vast.Instance{}, errors.New("broken")
	}
	if s.gone {
		return vast.Instance{}, vast.NotFound
	}
	return s.row(id), nil
}

func (s *source) All(ctx context.Context) ([]vast.Instance, error) {
	s.mu.Lock()
	s.lists++
	s.mu.Unlock()
	if err := s.answer(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
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

// TestAWaiterThatGivesUpTakesNobodyWithIt: the look that it began goes on for
// the others, and it does not wait for it.
func TestAWaiterThatGivesUpTakesNobodyWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{unlisted: -1, takes: 3 * time.Second}
		w := watch.New(s, vast.SystemClock{}, every)
		var wg sync.WaitGroup
		wg.Go(func() {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := w.Until(ctx, 7, running)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(began))
		})
		synctest.Wait()
		wg.Go(func() {
			in, err := w.Until(t.Context(), 7, running)
			require.NoError(t, err)
			require.Equal(t, "running", in.Status)
		})
		wg.Wait()
		require.Equal(t, 1, s.gets)
	})
}

// TestALookEndsWithTheLastWhoWaits: and whoever comes next begins one of their
// own.
func TestALookEndsWithTheLastWhoWaits(t *testing.T) {
	for name, look := range map[string]func(context.Context, *watch.Watcher) error{
		"at one": func(ctx context.Context, w *watch.Watcher) error {
			_, err := w.Until(ctx, 7, running)
			return err
		},
		"at all": func(ctx context.Context, w *watch.Watcher) error {
			_, _, err := w.List(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{unlisted: -1, takes: 20 * time.Second}
				w := watch.New(s, vast.SystemClock{}, every)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.ErrorIs(t, look(ctx, w), context.DeadlineExceeded)
				began := time.Now()
				require.NoError(t, look(t.Context(), w))
				require.Equal(t, 20*time.Second, time.Since(began))
				require.Equal(t, 2, s.gets+s.lists)
				require.Equal(t, 1, s.takenBack)
			})
		})
	}
}

func TestALookHasATimeOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{unlisted: -1, takes: time.Hour}
		_, err := watch.New(s, vast.SystemClock{}, every).Until(t.Context(), 7, running)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, t.Context().Err())
	})
}

func TestAPanicInALookIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch.New(&source{panics: true}, vast.SystemClock{}, every)
		_, err := w.Until(t.Context(), 7, running)
		require.ErrorContains(t, err, "a defect")
	})
}

// TestManyWaitersOnOneInstance: whenever they come, they cost one request per
// interval.
func TestManyWaitersOnOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{ready: time.Now().Add(5 * time.Minute), unlisted: -1}
		w := watch.New(s, vast.SystemClock{}, every)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				<-time.After(time.Duration(i) * 1700 * time.Millisecond)
				in, err := w.Until(t.Context(), 7, running)
				require.NoError(t, err)
				require.Equal(t, "running", in.Status)
			})
		}
		wg.Wait()
		require.LessOrEqual(t, s.gets, 34, "31 intervals, and some more while the ten came")
		require.Zero(t, s.lists)

		gets := s.gets
		_, err := w.Until(t.Context(), 7, running)
		require.NoError(t, err)
		require.Equal(t, gets+1, s.gets, "nothing is kept when nobody waits")
	})
}

// TestTheListIsShared: by those who ask for it and those who wait.
func TestTheListIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{ready: time.Now().Add(time.Minute), unlisted: -1}
		w := watch.New(s, vast.SystemClock{}, every)
		list, _, err := w.List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 30)
		list[0].ID = 99
		<-time.After(every/2 - time.Millisecond)
		list, _, err = w.List(t.Context())
		require.NoError(t, err)
		require.Zero(t, list[0].ID, "each caller has a list of its own")
		require.Equal(t, 1, s.lists)
		<-time.After(time.Millisecond)
		_, _, err = w.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, s.lists, "half an interval is fresh, and no more")

		var wg sync.WaitGroup
		for id := range vast.InstanceID(5) {
			wg.Go(func() {
				_, err := w.Until(t.Context(), id, running)
				require.NoError(t, err)
			})
		}
		for range 30 {
			<-time.After(2 * time.Second)
			_, _, err := w.List(t.Context())
			require.NoError(t, err)
		}
		wg.Wait()
		require.LessOrEqual(t, s.lists, 2+13)
	})
}
