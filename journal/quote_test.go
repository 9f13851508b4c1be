package journal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

func TestAQuoteIsLiveUntilItExpires(t *testing.T) {
	for state, live := range map[journal.QuoteState]bool{
		journal.Open: true, journal.Approved: true, journal.Redeemed: false, journal.Declined: false, journal.Superseded: false, "": false,
	} {
		q := journal.Quote{State: state, ExpiresAt: epoch}
		require.Equal(t, live, q.Live(epoch.Add(-time.Nanosecond)), "%q before", state)
		require.False(t, q.Live(epoch), "%q at its expiry", state)
	}
}

func TestSwapQuote(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutQuote(aQuote("q"))) })
		approve := func(q *journal.Quote) { q.State = journal.Approved }

		in(t, j, alice, func(tx *journal.Tx) {
			got, err := tx.SwapQuote("q", approve, journal.Declined, journal.Open)
			require.NoError(t, err)
			require.Equal(t, journal.Approved, got.State)

			touched := false
			_, err = tx.SwapQuote("q", func(*journal.Quote) { touched = true }, journal.Open, journal.Redeemed)
			require.ErrorIs(t, err, journal.ErrMoved)
			require.ErrorContains(t, err, `quote is "approved"`)
			require.False(t, touched)

			_, err = tx.SwapQuote("none", approve, journal.Open, "")
			require.ErrorIs(t, err, journal.ErrMoved, "a quote that is not there is in no state")
		})
		in(t, j, alice, func(tx *journal.Tx) {
			got, found, err := tx.Quote("q")
			require.NoError(t, err)
			require.True(t, found)
			want := aQuote("q")
			want.State = journal.Approved
			require.Equal(t, want, got)
		})
	})
}

func TestACodeNamesOneQuoteOfARealm(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		first, second := aQuote("1"), aQuote("2")
		second.Code = first.Code
		put := func(realm string, q journal.Quote) error {
			return j.Tx(t.Context(), realm, func(tx *journal.Tx) error { return tx.PutQuote(q) })
		}
		require.NoError(t, put(alice, first))
		require.Regexp(t, "(?i)unique", put(alice, second))
		require.NoError(t, put(bob, second))
	})
}

func TestLastQuoteIsTheNewestOfThatCall(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		for i, id := range []string{"m", "z", "a"} { // all made at the same time, one after the other
			in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutQuote(aQuote(id))) })
			in(t, j, alice, func(tx *journal.Tx) {
				got, found, err := tx.LastQuote("local", "create_instance", "d")
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, id, got.ID, "quote %d", i)
			})
		}
		in(t, j, alice, func(tx *journal.Tx) {
			_, err := tx.SwapQuote("m", func(q *journal.Quote) { q.State = journal.Declined }, journal.Open)
			require.NoError(t, err)
			got, _, err := tx.LastQuote("local", "create_instance", "d")
			require.NoError(t, err)
			require.Equal(t, "a", got.ID, "moving an older one does not make it newer")

			for _, other := range [][3]string{{"ann", "create_instance", "d"}, {"local", "start_instance", "d"}, {"local", "create_instance", "e"}} {
				_, found, err := tx.LastQuote(other[0], other[1], other[2])
				require.NoError(t, err)
				require.False(t, found, "%v", other)
			}
		})
	})
}

func TestLastRedeemedIsNotHiddenByANewerQuote(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		in(t, j, alice, func(tx *journal.Tx) {
			for id, state := range map[string]journal.QuoteState{"1": journal.Redeemed, "2": journal.Open, "3": journal.Declined} {
				q := aQuote(id)
				q.State = state
				require.NoError(t, tx.PutQuote(q))
			}
			got, found, err := tx.LastRedeemed("local", "create_instance", "d")
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, "1", got.ID)
			_, err = tx.SwapQuote("3", func(q *journal.Quote) { q.State = journal.Redeemed }, journal.Declined)
			require.NoError(t, err)
			_, err = tx.SwapQuote("1", func(q *journal.Quote) { q.State = journal.Approved }, journal.Redeemed)
			require.NoError(t, err)
			got, _, err = tx.LastRedeemed("local", "create_instance", "d")
			require.NoError(t, err)
			require.Equal(t, "3", got.ID)
			_, found, err = tx.LastRedeemed("ann", "create_instance", "d")
			require.NoError(t, err)
			require.False(t, found)
		})
	})
}

func TestLastDeclined(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		in(t, j, alice, func(tx *journal.Tx) {
			for i, id := range []string{"z", "b", "open"} {
				q := aQuote(id)
				q.Digest, q.CreatedAt, q.State = id, epoch.Add(time.Duration(i/2)*time.Second), journal.Declined
				if id == "open" {
					q.State = journal.Open
				}
				require.NoError(t, tx.PutQuote(q))
			}
			got, found, err := tx.LastDeclined("local", "create_instance")
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, "b", got.ID, "whatever its arguments")
			_, found, err = tx.LastDeclined("ann", "create_instance")
			require.NoError(t, err)
			require.False(t, found)
		})
	})
}

func TestWaitingIsOfAllRealmsInOrder(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		none, err := j.Waiting(t.Context())
		require.NoError(t, err)
		require.Empty(t, none)

		put := func(realm, id string, state journal.QuoteState) {
			c.pass(time.Minute)
			in(t, j, realm, func(tx *journal.Tx) {
				q := aQuote(id)
				q.State, q.CreatedAt, q.ExpiresAt = state, tx.Now(), tx.Now().Add(10*time.Minute)
				require.NoError(t, tx.PutQuote(q))
			})
		}
		put(bob, "1", journal.Open)
		put(alice, "2", journal.Approved)
		put(alice, "redeemed", journal.Redeemed)
		put(bob, "declined", journal.Declined)
		put(bob, "3", journal.Approved)
		put(alice, "superseded", journal.Superseded)
		put(alice, "4", journal.Open)
		c.pass(time.Hour) // expired ones included

		all, err := j.Waiting(t.Context())
		require.NoError(t, err)
		var got []string
		for _, w := range all {
			got = append(got, w.Realm+" "+w.ID)
		}
		require.Equal(t, []string{bob + " 1", alice + " 2", bob + " 3", alice + " 4"}, got)
	})
}

func TestADamagedRowIsSaidSo(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		in(t, j, alice, func(tx *journal.Tx) {
			require.NoError(t, tx.PutQuote(aQuote("q")))
			require.NoError(t, tx.PutIntent(anIntent("n", "q")))
			require.NoError(t, tx.PutOutcome(journal.Outcome{Nonce: "n", Status: "done"}))
			require.NoError(t, tx.PutLease(journal.Lease{Nonce: "n", Instance: 7}))
		})
		for table, read := range map[string]func(*journal.Tx) error{
			"quotes":   func(tx *journal.Tx) error { _, _, err := tx.Quote("q"); return err },
			"intents":  func(tx *journal.Tx) error { _, err := tx.Counting(); return err },
			"outcomes": func(tx *journal.Tx) error { _, _, err := tx.Outcome("n"); return err },
			"leases":   func(tx *journal.Tx) error { _, _, err := tx.Lease("n"); return err },
		} {
			require.NoError(t, j.Tx(t.Context(), alice, read), table)
			p.Edit(`UPDATE ` + table + ` SET body = substr(body, 2)`)
			require.ErrorContains(t, j.Tx(t.Context(), alice, read), "damaged row", table)
		}
		_, err := j.Waiting(t.Context())
		require.ErrorContains(t, err, "damaged row")
	})
}
