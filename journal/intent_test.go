package journal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

// counting says of every state whether it counts against the caps.
func counting() map[journal.IntentState]bool {
	return map[journal.IntentState]bool{
		journal.Prepared: true, journal.Sent: true, journal.Answered: true, journal.Looking: true,
		journal.Unknown: true, journal.Undoing: true, journal.Rented: true,
		journal.Refused: false, journal.Closed: false, journal.Ended: false, journal.Done: false,
		"a state of a later version": true,
	}
}

func TestWhatCountsAgainstTheCaps(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		in(t, j, alice, func(tx *journal.Tx) {
			want := map[string]bool{}
			for state, counts := range counting() {
				require.Equal(t, counts, state.Counts(), state)
				row := anIntent("n "+string(state), "q "+string(state))
				row.State = state
				require.NoError(t, tx.PutIntent(row))
				if counts {
					want[row.Nonce] = true
				}
			}
			all, err := tx.Counting()
			require.NoError(t, err)
			got := map[string]bool{}
			for _, row := range all {
				got[row.Nonce] = true
			}
			require.Equal(t, want, got)
		})
	})
}

func TestOneIntentPerQuoteUnlessRefused(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		for state := range counting() {
			realm := string(state)
			put := func(nonce, quote string) error {
				return j.Tx(t.Context(), realm, func(tx *journal.Tx) error { return tx.PutIntent(anIntent(nonce, quote)) })
			}
			require.NoError(t, put("first", "q"))
			in(t, j, realm, func(tx *journal.Tx) {
				_, err := tx.SwapIntent("first", func(in *journal.Intent) { in.State = state }, journal.Prepared)
				require.NoError(t, err)
				_, found, err := tx.IntentOf("q")
				require.NoError(t, err)
				require.Equal(t, state != journal.Refused, found, state)
			})
			require.NoError(t, put("other", "another quote"))
			require.Error(t, put("other", "a third quote"), "a nonce is used once")
			if state != journal.Refused {
				require.Regexp(t, "(?i)unique", put("second", "q"), state)
				continue
			}
			require.NoError(t, put("second", "q"))
			in(t, j, realm, func(tx *journal.Tx) {
				got, found, err := tx.IntentOf("q")
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, "second", got.Nonce)
			})
		}
	})
}

func TestSwapIntent(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutIntent(anIntent("n", "q"))) })
		c.pass(time.Minute)
		in(t, j, alice, func(tx *journal.Tx) {
			got, err := tx.SwapIntent("n", func(in *journal.Intent) { in.State, in.Instance = journal.Answered, 7 }, journal.Sent, journal.Prepared)
			require.NoError(t, err)
			require.Equal(t, journal.Answered, got.State)
		})
		c.pass(time.Minute)
		in(t, j, alice, func(tx *journal.Tx) {
			touched := false
			_, err := tx.SwapIntent("n", func(*journal.Intent) { touched = true }, journal.Sent, journal.Prepared)
			require.ErrorIs(t, err, journal.ErrMoved)
			require.ErrorContains(t, err, `intent n is "answered"`)
			require.False(t, touched)
			_, err = tx.SwapIntent("none", func(*journal.Intent) {}, journal.Prepared, "")
			require.ErrorIs(t, err, journal.ErrMoved)
		})
		in(t, j, alice, func(tx *journal.Tx) {
			got, found, err := tx.Intent("n")
			require.NoError(t, err)
			require.True(t, found)
			want := anIntent("n", "q")
			want.State, want.Instance, want.CreatedAt, want.UpdatedAt = journal.Answered, 7, epoch, epoch.Add(time.Minute)
			require.Equal(t, want, got)
		})
	})
}

func TestKnows(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		knows := func(realm string, instance int64) (known bool) {
			in(t, j, realm, func(tx *journal.Tx) {
				var err error
				known, err = tx.Knows(instance)
				require.NoError(t, err)
			})
			return known
		}
		in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutIntent(anIntent("n", "q"))) })
		require.False(t, knows(alice, 7))
		in(t, j, alice, func(tx *journal.Tx) {
			_, err := tx.SwapIntent("n", func(in *journal.Intent) { in.Instance, in.State = 7, journal.Ended }, journal.Prepared)
			require.NoError(t, err)
		})
		require.True(t, knows(alice, 7), "whatever became of it")
		require.False(t, knows(alice, 8))
		require.False(t, knows(bob, 7), "another realm's is not ours")
	})
}

func TestTheLastOutcomeAndLeaseStand(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		in(t, j, alice, func(tx *journal.Tx) {
			_, found, err := tx.Outcome("n")
			require.NoError(t, err)
			require.False(t, found)
			for _, status := range []string{"unknown", "done"} {
				want := journal.Outcome{Nonce: "n", Status: status, Result: []byte(`{"instance_id":7}`), At: epoch}
				require.NoError(t, tx.PutOutcome(want))
				got, found, err := tx.Outcome("n")
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, want, got)
			}
			for hours := range 2 {
				want := journal.Lease{Nonce: "n", Instance: 7, Until: epoch.Add(time.Duration(hours) * time.Hour), OnExpiry: "stop", IdleMinutes: 30, GrantedAt: epoch}
				require.NoError(t, tx.PutLease(want))
				got, found, err := tx.Lease("n")
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, want, got)
			}
		})
	})
}

func TestEndingRentalsIsAnEventForEach(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		in(t, j, alice, func(tx *journal.Tx) {
			for nonce, instance := range map[string]int64{"a": 7, "b": 7, "c": 8} {
				row := anIntent(nonce, "q "+nonce)
				row.State, row.Instance = journal.Rented, instance
				require.NoError(t, tx.PutIntent(row))
			}
			require.NoError(t, tx.EndRentals(7, func(in *journal.Intent) { in.State, in.Why = journal.Ended, "it was destroyed" }))
			left, err := tx.Counting()
			require.NoError(t, err)
			require.Len(t, left, 1)
			require.Equal(t, "c", left[0].Nonce)
		})
		events := journaltest.Events(t, j, alice)
		require.Len(t, events, 2)
		for _, e := range events {
			require.Equal(t, "ended", e.Kind)
			require.Contains(t, []string{"a", "b"}, e.Subject)
			require.Contains(t, string(e.Data), "it was destroyed")
		}
	})
}
