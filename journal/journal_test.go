package journal_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"vast-mcp/journal"
)

// appenderEnv makes this test binary a process that only appends to the
// journal of that place, until it is killed or has appended enough.
const appenderEnv = "TEST_JOURNAL_APPENDER"

const appended = 40 // events of one appender

func TestMain(m *testing.M) {
	if place := os.Getenv(appenderEnv); place != "" {
		os.Exit(appendAll(place))
	}
	goleak.VerifyTestMain(m)
}

// appendAll tells of each event once it is said to be on disk.
func appendAll(place string) int {
	j, err := journal.Postgres(place, time.Now)
	if err != nil {
		j = journal.New(place, time.Now)
	}
	for i := range appended {
		err := j.Tx(context.Background(), alice, func(tx *journal.Tx) error { return tx.Append("tick", fmt.Sprint(os.Getpid()), i) })
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(i)
	}
	return 0
}

// Two realms.
const (
	alice = "https://api.example#1"
	bob   = "https://api.example#2"
)

// epoch is where the clocks of the tests start.
var epoch = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// clock moves only when a test moves it.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{at: epoch} }

func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// place is a path for a journal, in a folder that is not there yet.
func place(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "state", "live", "journal.db")
}

// open is a journal at path that is closed when the test ends.
func open(t *testing.T, path string, c *clock) *journal.Journal {
	t.Helper()
	j := journal.New(path, c.now)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// memory is a journal that is nowhere.
func memory(t *testing.T, c *clock) *journal.Journal {
	t.Helper()
	return open(t, "", c)
}

// in runs f in a transaction that must succeed.
func in(t *testing.T, j *journal.Journal, realm string, f func(*journal.Tx)) {
	t.Helper()
	require.NoError(t, j.Tx(t.Context(), realm, func(tx *journal.Tx) error {
		f(tx)
		return nil
	}))
}

// raw is the file itself, for tests that look at it or damage it.
func raw(t *testing.T, path, options string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// aQuote is an open quote of some call.
func aQuote(id string) journal.Quote {
	return journal.Quote{
		ID: id, Code: "C-" + id, Caller: "local", Tool: "create_instance", Digest: "d", Mode: "client", State: journal.Open,
		Plan: []byte(`{"rate":0.4}`), Rate: 400_000, Most: 9_600_000, CreatedAt: epoch, ExpiresAt: epoch.Add(10 * time.Minute),
	}
}

// anIntent is an intent that was just written down.
func anIntent(nonce, quote string) journal.Intent {
	return journal.Intent{Nonce: nonce, Quote: quote, Caller: "local", Tool: "create_instance", Kind: "create", State: journal.Prepared, Rate: 400_000}
}
