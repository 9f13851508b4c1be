package faults_test

import (
	"os"
	"path/filepath"
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
	everywhere(t, func(t *testing.T, db database) {
		t.Helper()
		game[program]{"TestSchedules", write, db.run}.play(t, howMany(t))
	})
}

// howMany is how many schedules are played.
func howMany(t *testing.T) int {
	t.Helper()
	if strings.HasSuffix(t.Name(), "postgres") && os.Getenv("FAULTS") == "" {
		return seeds / 5 // where each transaction takes its time
	}
	return asked(t, seeds)
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
