package journal_test

import (
	"context"
	"database/sql/driver"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

func TestNewOpensNothing(t *testing.T) {
	path := place(t)
	j := open(t, path, newClock())
	require.False(t, j.Exists())
	require.NoDirExists(t, filepath.Dir(path))
	require.NoError(t, j.Close(), "closing what was never opened")

	in(t, j, alice, func(*journal.Tx) {})
	require.True(t, j.Exists())
	require.FileExists(t, path)
}

func TestNothingIsReadableForOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	path := place(t)
	in(t, open(t, path, newClock()), alice, func(tx *journal.Tx) { require.NoError(t, tx.Append("a", "b", nil)) })

	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), dir)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
		names = append(names, f.Name())
	}
	require.Equal(t, []string{"journal.db", "journal.db-shm", "journal.db-wal"}, names)
}

func TestPragmasOfTheConnectionInUse(t *testing.T) {
	j := open(t, place(t), newClock())
	db, err := journal.DB(t.Context(), j)
	require.NoError(t, err)
	check := func() {
		t.Helper()
		for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "fullfsync": "1"} {
			var got string
			require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got))
			require.Equal(t, want, got, name)
		}
	}
	check()

	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, conn.Raw(func(any) error { return driver.ErrBadConn }), driver.ErrBadConn)
	_ = conn.Close() // it is gone already
	check()          // a connection that had to be made anew has them too
}

func TestOneConnection(t *testing.T) {
	db, err := journal.DB(t.Context(), open(t, place(t), newClock()))
	require.NoError(t, err)
	require.Equal(t, 1, db.Stats().MaxOpenConnections)
}

func TestBeginTakesTheLockAtOnce(t *testing.T) {
	path := place(t)
	db, err := journal.DB(t.Context(), open(t, path, newClock()))
	require.NoError(t, err)
	other := raw(t, path, "?_pragma=busy_timeout(0)&_txlock=immediate")

	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = other.BeginTx(t.Context(), nil)
	require.ErrorContains(t, err, "database is locked", "a transaction that wrote nothing yet must hold the lock")
	require.NoError(t, tx.Rollback())

	again, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, again.Rollback())
}

func TestAPathIsTakenLiterally(t *testing.T) {
	names := []string{"50%20off", "a#b", "naïve dir", "a&b=c", "100%"}
	if runtime.GOOS != "windows" {
		names = append(names, "what?", "a:b", "?_txlock=deferred")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name, "journal.db")
			c := newClock()
			j := journal.New(path, c.now)
			in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutQuote(aQuote("q"))) })
			require.NoError(t, j.Close())

			files, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			require.Len(t, files, 1)
			info, err := files[0].Info()
			require.NoError(t, err)
			require.Positive(t, info.Size(), "the rows are in the file that was asked for")
			in(t, open(t, path, c), alice, func(tx *journal.Tx) {
				_, found, err := tx.Quote("q")
				require.NoError(t, err)
				require.True(t, found)
			})
		})
	}
}

func TestARelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	in(t, open(t, filepath.Join("state", "journal.db"), newClock()), alice, func(*journal.Tx) {})
	require.FileExists(t, filepath.Join("state", "journal.db-wal"))
}

func TestCloseAndOpenAgain(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutQuote(aQuote("q"))) })
		require.NoError(t, j.Close())
		for _, again := range []*journal.Journal{j, p.Open(c.now)} {
			in(t, again, alice, func(tx *journal.Tx) {
				got, found, err := tx.Quote("q")
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, aQuote("q"), got)
			})
		}
	})
}

func TestOpeningThatFailsIsTriedAgain(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, j.Tx(cancelled, alice, func(*journal.Tx) error { return nil }), context.Canceled)
		in(t, j, alice, func(*journal.Tx) {})
	})
}

func TestOpeningSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("this is no database, but long enough to be looked at"), 0o600))
	for name, path := range map[string]string{
		"the folder is a file":       filepath.Join(file, "journal.db"),
		"the file is a folder":       t.TempDir(),
		"the file is something else": file,
	} {
		t.Run(name, func(t *testing.T) {
			called := false
			err := open(t, path, newClock()).Tx(t.Context(), alice, func(*journal.Tx) error {
				called = true
				return nil
			})
			require.ErrorContains(t, err, "journal: ")
			require.False(t, called)
		})
	}
}

func TestAMemoryJournalOutlivesACancelledCall(t *testing.T) {
	j := memory(t, newClock())
	in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutQuote(aQuote("kept"))) })

	ctx, cancel := context.WithCancel(t.Context())
	err := j.Tx(ctx, alice, func(tx *journal.Tx) error {
		cancel()
		return tx.PutQuote(aQuote("dropped"))
	})
	require.ErrorIs(t, err, context.Canceled)

	in(t, j, alice, func(tx *journal.Tx) {
		for id, want := range map[string]bool{"kept": true, "dropped": false} {
			_, found, err := tx.Quote(id)
			require.NoError(t, err)
			require.Equal(t, want, found, id)
		}
	})
}

func TestMemoryJournalsAreApart(t *testing.T) {
	c := newClock()
	a, b := memory(t, c), memory(t, c)
	in(t, a, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutQuote(aQuote("q"))) })
	in(t, b, alice, func(tx *journal.Tx) {
		_, found, err := tx.Quote("q")
		require.NoError(t, err)
		require.False(t, found)
	})
}
