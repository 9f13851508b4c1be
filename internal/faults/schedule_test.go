package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

// TestSchedules plays seeded schedules of failures, crashes, two processes and
// clocks that jump, and counts: no second order, no second machine, none that
// the journal does not know, no limit passed, nothing said that was not so.
func TestSchedules(t *testing.T) {
	if one := os.Getenv("FAULTSEED"); one != "" {
		seed, err := strconv.ParseUint(one, 10, 64)
		require.NoError(t, err)
		everywhere(t, func(t *testing.T, db database) {
			t.Helper()
			trace, broken := db.run(t, write(seed))
			t.Logf("%v%s", write(seed), strings.Join(trace, "\n"))
			require.Empty(t, broken)
		})
		return
	}
	workers := runtime.GOMAXPROCS(0)
	everywhere(t, func(t *testing.T, db database) {
		t.Helper()
		n := howMany(t)
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for seed := worker; seed < n && !t.Failed(); seed += workers {
					if _, broken := db.run(t, write(uint64(seed))); len(broken) > 0 {
						db.explain(t, write(uint64(seed)))
					}
				}
			})
		}
	})
}

// howMany is how many schedules are played.
func howMany(t *testing.T) int {
	t.Helper()
	more := os.Getenv("FAULTS")
	if more == "" && strings.HasSuffix(t.Name(), "postgres") {
		return seeds / 5 // where each transaction takes its time
	}
	if more == "" {
		return seeds
	}
	n, err := strconv.Atoi(more)
	require.NoError(t, err)
	return n
}

// database makes a fresh journal for one schedule; every call of open is as
// another process would have it.
type database func(t *testing.T, f func(open func(now func() time.Time) *journal.Journal))

// everywhere runs f with SQLite, and with PostgreSQL where tests have a server.
func everywhere(t *testing.T, f func(t *testing.T, db database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, sqlite) })
	if os.Getenv(journaltest.ServerEnv) != "" {
		t.Run("postgres", func(t *testing.T) { f(t, postgres) })
	}
}

func sqlite(t *testing.T, f func(open func(now func() time.Time) *journal.Journal)) {
	t.Helper()
	dir, err := os.MkdirTemp(quick(), "faults") //nolint:usetesting // one for each of thousands, in memory
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(dir)) }()
	f(func(now func() time.Time) *journal.Journal { return journal.New(filepath.Join(dir, "journal.db"), now) })
}

func postgres(t *testing.T, f func(open func(now func() time.Time) *journal.Journal)) {
	t.Helper()
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		f(func(now func() time.Time) *journal.Journal {
			j, err := journal.Postgres(p.URL, now)
			require.NoError(t, err)
			return j
		})
	})
}

// explain fails the test with the shortest program that still breaks a rule.
func (db database) explain(t *testing.T, p program) {
	t.Helper()
	p = db.shrink(t, p)
	trace, broken := db.run(t, p)
	t.Errorf("seed %d: %s\nshortened: %v%s\nPlay it again whole: FAULTSEED=%d go test ./internal/faults -run TestSchedules -v",
		p.seed, strings.Join(broken, "\n  "), p, strings.Join(trace, "\n"), p.seed)
}

// shrink leaves out whatever can be left out.
func (db database) shrink(t *testing.T, p program) program {
	t.Helper()
	for again := true; again; {
		again = false
		for i := range slices.Backward(p.steps) {
			q := p
			q.steps = slices.Delete(slices.Clone(p.steps), i, i+1)
			if _, broken := db.run(t, q); len(broken) > 0 {
				p, again = q, true
			}
		}
		for i := range slices.Backward(p.weather) {
			q := p
			q.weather = slices.Delete(slices.Clone(p.weather), i, i+1)
			if _, broken := db.run(t, q); len(broken) > 0 {
				p, again = q, true
			}
		}
	}
	return p
}

// run plays a program from its beginning until all is quiet.
func (db database) run(t *testing.T, p program) (trace, broken []string) {
	t.Helper()
	db(t, func(open func(now func() time.Time) *journal.Journal) {
		synctest.Test(t, func(*testing.T) {
			w := newWorld(p, open)
			for who := range w.crew {
				w.crew[who] = w.launch(who, 0, p.modes[who], 0)
			}
			w.play()
			w.settle()
			w.count()
			close(w.over)
			w.leave()
			<-time.After(time.Hour) // net/http keeps timers for what it sent
			trace, broken = w.trace, w.broken
		})
	})
	return trace, broken
}

// quick is a folder in memory where there is one: no process here dies in earnest,
// and disks are slow to say that they have written.
func quick() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return ""
}
