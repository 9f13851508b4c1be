package journal_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

// A host, a user, a password and a database that no error may tell.
const secretURL = "postgres://canary-user:canary-word@canary-host.invalid:5432/canary-base"

func TestAURLIsReadWithoutTellingIt(t *testing.T) {
	for _, bad := range []string{
		"", "canary", "/var/lib/canary.db", "mysql://canary-user:canary-word@host/db", "postgres://canary-user:can%ary@host/db",
		"postgres://canary-user:canary-word@host:canary/db", secretURL + "?sslmode=canary", secretURL + "?connect_timeout=canary",
	} {
		j, err := journal.Postgres(bad, newClock().now)
		require.Error(t, err, bad)
		require.Nil(t, j)
		require.NotContains(t, err.Error(), "ary")
	}
	j, err := journal.Postgres(secretURL, newClock().now)
	require.NoError(t, err, "nothing is opened yet")
	require.Equal(t, "PostgreSQL", j.Name())
	require.Empty(t, j.Path())
	require.True(t, j.Exists())
	require.NoError(t, j.Close())
}

// listener answers every connection with f, until the test ends.
func listener(t *testing.T, f func(net.Conn)) (url string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				f(c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return "postgres://canary-user:canary-word@" + l.Addr().String() + "/canary-base?sslmode=disable"
}

// says answers a start-up with an error of the server.
func says(severity, code, message string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1024))
		fields := "S" + severity + "\x00V" + severity + "\x00C" + code + "\x00M" + message + "\x00\x00"
		_, _ = c.Write(append([]byte{'E', 0, 0, 0, byte(4 + len(fields))}, fields...))
	}
}

func TestWhatCannotBeReachedSaysWhyAndNothingElse(t *testing.T) {
	closed := listener(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1024)) })
	unused, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "postgres://canary-user:canary-word@" + unused.Addr().String() + "/canary-base"
	require.NoError(t, unused.Close())
	for says, address := range map[string]string{
		"its host name is not known":             secretURL,
		"connection refused":                     nobody,
		"the connection was lost":                closed,
		"it refuses the login":                   listener(t, says("FATAL", "28P01", "password authentication failed for user canary-user")),
		"there is no such database":              listener(t, says("FATAL", "3D000", "database canary-base does not exist")),
		"it has no room for another connection":  listener(t, says("FATAL", "53300", "too many connections for role canary-user")),
		"it is starting or shutting down":        listener(t, says("FATAL", "57P03", "the database system is starting up")),
		"it ended the connection (SQLSTATE 08P0": listener(t, says("FATAL", "08P01", "canary-user said what no client says")),
	} {
		j, err := journal.Postgres(address, newClock().now)
		require.NoError(t, err)
		requireUnreachable(t, j, says)
		require.NoError(t, j.Close())
	}
}

// requireUnreachable checks that a journal fails in every way it is used.
func requireUnreachable(t *testing.T, j *journal.Journal, says string) {
	t.Helper()
	uses := map[string]func() error{
		"a transaction": func() error { return j.Tx(t.Context(), alice, func(*journal.Tx) error { return nil }) },
		"its events":    func() error { return damage(t, j, alice) },
		"its realms":    func() error { _, err := j.Realms(t.Context()); return err },
		"whether it is": func() error { _, err := j.Fresh(t.Context()); return err },
	}
	for name, use := range uses {
		err := use()
		require.ErrorIs(t, err, journal.ErrUnreachable, name)
		require.ErrorContains(t, err, says, name)
		require.NotContains(t, err.Error(), "canary", name)
		require.NotContains(t, err.Error(), "127.0.0.1", name)
	}
}

func TestADatabaseThatIsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	address := listener(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	j, err := journal.Postgres(address+"&connect_timeout=1", newClock().now)
	require.NoError(t, err)
	start := time.Now()
	err = j.Tx(t.Context(), alice, func(*journal.Tx) error { return nil })
	require.ErrorIs(t, err, journal.ErrUnreachable)
	require.ErrorContains(t, err, "it does not answer in time")
	require.Less(t, time.Since(start), 3*time.Second)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, j.Tx(ctx, alice, func(*journal.Tx) error { return nil }), context.DeadlineExceeded)
	require.NoError(t, j.Close())
}

// option adds an option to the URL of a place.
func option(t *testing.T, p journaltest.Place, name, value string) *journal.Journal {
	t.Helper()
	u, err := url.Parse(p.URL)
	require.NoError(t, err)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	j, err := journal.Postgres(u.String(), newClock().now)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

func TestADatabaseThatForgetsIsRefused(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		for value, fit := range map[string]bool{"on": true, "remote_apply": true, "off": false, "local": false, "remote_write": false} {
			err := option(t, p, "synchronous_commit", value).Tx(t.Context(), alice, func(*journal.Tx) error { return nil })
			if fit {
				require.NoError(t, err, value)
				continue
			}
			require.ErrorContains(t, err, "synchronous_commit is "+value+" there", value)
			require.ErrorContains(t, err, "ALTER DATABASE", value)
		}
	})
}

func TestAStricterDefaultChangesNothing(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := option(t, p, "default_transaction_isolation", "serializable")
		in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.Append("a", "b", 1)) })
		err := option(t, p, "default_transaction_read_only", "on").Tx(t.Context(), alice, func(*journal.Tx) error { return nil })
		require.ErrorContains(t, err, "read-only transaction", "a standby takes nothing")
	})
}

// TestTheRealmIsFreeAgain: a process that hangs in its transaction, or whose
// machine is gone, holds up the others for some seconds only.
func TestTheRealmIsFreeAgain(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		db, err := journal.DB(t.Context(), p.Open(newClock().now))
		require.NoError(t, err)
		for name, want := range map[string]string{"statement_timeout": "10s", "idle_in_transaction_session_timeout": "10s"} {
			require.Equal(t, want, setting(t, p, name), "inside a transaction")
			var outside string
			require.NoError(t, db.QueryRowContext(t.Context(), `SHOW `+name).Scan(&outside))
			require.Equal(t, "0", outside, "nothing stays in the session, which a pooler lends to others")
		}
	})
}

// setting reads a setting inside a transaction of the journal.
func setting(t *testing.T, p journaltest.Place, name string) (value string) {
	t.Helper()
	j := p.Open(newClock().now)
	in(t, j, alice, func(tx *journal.Tx) {
		require.NoError(t, journal.SQL(tx).QueryRowContext(t.Context(), `SHOW `+name).Scan(&value))
	})
	return value
}

func TestACallThatIsCancelledWaitsForNobody(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		holder, other := p.Open(newClock().now), p.Open(newClock().now)
		in(t, other, alice, func(*journal.Tx) {})
		in(t, holder, alice, func(*journal.Tx) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			err := other.Tx(ctx, alice, func(*journal.Tx) error { return nil })
			require.ErrorIs(t, err, context.DeadlineExceeded)
			in(t, other, bob, func(*journal.Tx) {}) // another realm is not held up
		})
		in(t, other, alice, func(*journal.Tx) {})
	})
}

// TestALostCommitIsFoundOut: the connection breaks right before or right after
// the commit reaches the database.
func TestALostCommitIsFoundOut(t *testing.T) {
	for name, reaches := range map[string]bool{"before": false, "after": true} {
		journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
			t.Helper()
			wire, there := p.Wire()
			j := there.Open(newClock().now)
			in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.Append("first", "", nil)) })
			wire.OnCommit(func(forward func()) bool {
				if reaches {
					forward()
				}
				return false
			})
			err := j.Tx(t.Context(), alice, func(tx *journal.Tx) error { return tx.Append("second", "", nil) })
			wire.OnCommit(nil)
			all := journaltest.Events(t, p.Open(newClock().now), alice)
			if reaches {
				require.NoError(t, err, name)
				require.Len(t, all, 2, name)
			} else {
				require.ErrorIs(t, err, journal.ErrUnreachable, name)
				require.Len(t, all, 1, name)
			}
			require.Equal(t, all[len(all)-1:], j.Heads(), "the head is what is there")
			in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.Append("third", "", nil), "and it goes on") })
		})
	}
}

func TestWhatNobodyKnowsIsSaidSo(t *testing.T) {
	for name, reaches := range map[string]bool{"before": false, "after": true} {
		journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
			t.Helper()
			t.Parallel()
			wire, there := p.Wire()
			j := there.Open(newClock().now)
			in(t, j, alice, func(*journal.Tx) {})
			wire.OnCommit(func(forward func()) bool {
				if reaches {
					forward()
				}
				go wire.Cut()
				return false
			})
			err := j.Tx(t.Context(), alice, func(tx *journal.Tx) error { return tx.Append("lost", "", nil) })
			require.ErrorIs(t, err, journal.ErrUnsure, name)
			require.Empty(t, j.Heads())
			requireUnreachable(t, j, "the database of the journal cannot be reached")
			wire.OnCommit(nil)
			wire.Mend()
			want := 0
			if reaches {
				want = 1
			}
			require.Len(t, journaltest.Events(t, j, alice), want, name)
		})
	}
}

func TestADatabaseThatCameBackIsUsedAgain(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		wire, there := p.Wire()
		j := there.Open(newClock().now)
		for range 3 {
			wire.Cut()
			requireUnreachable(t, j, "")
			wire.Mend()
			in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.Append("back", "", nil)) })
		}
		err := j.Tx(t.Context(), alice, func(tx *journal.Tx) error {
			require.NoError(t, tx.Append("half", "", nil))
			wire.Cut()
			return tx.Append("more", "", nil)
		})
		require.ErrorIs(t, err, journal.ErrUnreachable)
		wire.Mend()
		require.Len(t, journaltest.Events(t, j, alice), 3, "half of it is nothing of it")
	})
}

func TestNoQueryTellsAnAddress(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		in(t, j, alice, func(*journal.Tx) {})
		p.Edit(`DROP TABLE intents`)
		err := j.Tx(t.Context(), alice, func(tx *journal.Tx) error { _, err := tx.Counting(); return err })
		require.EqualError(t, err, `journal: relation "intents" does not exist (SQLSTATE 42P01)`)
		u, err := url.Parse(p.URL)
		require.NoError(t, err)
		require.False(t, strings.Contains(j.Name(), u.Host))
	})
}
