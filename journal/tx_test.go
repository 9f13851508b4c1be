package journal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

func TestWhatFailsLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	writes := func(tx *journal.Tx) error {
		return errors.Join(tx.PutQuote(aQuote("q")), tx.PutIntent(anIntent("n", "q")), tx.PutApproval(journal.Approval{Quote: "q"}),
			tx.PutOutcome(journal.Outcome{Nonce: "n"}), tx.PutLease(journal.Lease{Nonce: "n"}), tx.Append("a", "b", nil))
	}
	for name, fails := range map[string]func(*testing.T, *journal.Journal){
		"an error": func(t *testing.T, j *journal.Journal) {
			t.Helper()
			err := j.Tx(t.Context(), alice, func(tx *journal.Tx) error { return errors.Join(writes(tx), boom) })
			require.ErrorIs(t, err, boom)
		},
		"a panic": func(t *testing.T, j *journal.Journal) {
			t.Helper()
			require.PanicsWithError(t, "boom", func() {
				_ = j.Tx(t.Context(), alice, func(tx *journal.Tx) error {
					require.NoError(t, writes(tx))
					panic(boom)
				})
			})
		},
		"a call that was cancelled": func(t *testing.T, j *journal.Journal) {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			err := j.Tx(ctx, alice, func(tx *journal.Tx) error {
				err := writes(tx)
				cancel()
				return err
			})
			require.ErrorIs(t, err, context.Canceled)
		},
	} {
		journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
			t.Helper()
			j := p.Open(newClock().now)
			in(t, j, alice, func(*journal.Tx) {})
			fails(t, j)
			db := p.DB()
			for _, table := range []string{"quotes", "intents", "approvals", "outcomes", "leases", "events"} {
				var rows int
				require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&rows))
				require.Zero(t, rows, "%s: %s", name, table)
			}
			in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, writes(tx), "and the lock is free again") })
		})
	}
}

func TestWhatReturnedIsThereForOthers(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		in(t, p.Open(c.now), alice, func(tx *journal.Tx) { require.NoError(t, tx.PutIntent(anIntent("n", "q"))) })
		in(t, p.Open(c.now), alice, func(tx *journal.Tx) {
			got, found, err := tx.Intent("n")
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, epoch, got.CreatedAt)
		})
	})
}

func TestContendersWaitForEachOther(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		first, second := p.Open(c.now), p.Open(c.now)
		in(t, first, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutIntent(anIntent("n", "q"))) })

		const each = 20
		var contenders errgroup.Group
		for _, j := range []*journal.Journal{first, second} {
			for range 2 {
				contenders.Go(func() error {
					for range each / 2 {
						err := j.Tx(t.Context(), alice, func(tx *journal.Tx) error {
							_, err := tx.SwapIntent("n", func(in *journal.Intent) { in.Looks++ }, journal.Prepared)
							return err
						})
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
		}
		require.NoError(t, contenders.Wait())
		in(t, first, alice, func(tx *journal.Tx) {
			got, _, err := tx.Intent("n")
			require.NoError(t, err)
			require.Equal(t, 2*each, got.Looks, "no look was lost")
		})
	})
}

func TestOneWinsASwap(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		in(t, p.Open(c.now), alice, func(tx *journal.Tx) { require.NoError(t, tx.PutIntent(anIntent("n", "q"))) })

		const contenders = 6
		lost := make([]error, contenders)
		var group errgroup.Group
		for i := range contenders {
			j := p.Open(c.now)
			group.Go(func() error {
				lost[i] = j.Tx(t.Context(), alice, func(tx *journal.Tx) error {
					_, err := tx.SwapIntent("n", func(in *journal.Intent) { in.State, in.Why = journal.Sent, fmt.Sprint(i) }, journal.Prepared)
					return err
				})
				return nil
			})
		}
		require.NoError(t, group.Wait())
		winner := -1
		for i, err := range lost {
			if err == nil {
				require.Equal(t, -1, winner, "one winner only")
				winner = i
				continue
			}
			require.ErrorIs(t, err, journal.ErrMoved)
		}
		in(t, p.Open(c.now), alice, func(tx *journal.Tx) {
			got, _, err := tx.Intent("n")
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(winner), got.Why, "the losers changed nothing")
		})
	})
}

func TestTimeNeverRunsBackwards(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		now := func(realm string) (at time.Time) {
			in(t, j, realm, func(tx *journal.Tx) {
				at = tx.Now()
				require.Equal(t, realm, tx.Realm())
			})
			return at
		}
		require.Equal(t, epoch, now(alice))
		c.pass(time.Hour)
		require.Equal(t, epoch.Add(time.Hour), now(alice))
		c.pass(-30 * time.Minute)
		require.Equal(t, epoch.Add(time.Hour), now(alice), "a clock set back changes nothing")
		require.Equal(t, epoch.Add(30*time.Minute), now(bob), "each realm has its own time")
		require.NoError(t, j.Close())
		require.Equal(t, epoch.Add(time.Hour), now(alice), "nor does a restart")
		c.pass(time.Hour)
		require.Equal(t, epoch.Add(90*time.Minute), now(alice), "it goes on once the clock has caught up")
	})
}

func TestTimeIsTheLatestThatAnySaw(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		rapid.Check(t, func(r *rapid.T) {
			realm := rapid.StringMatching(`realm-[a-z0-9]{8}`).Draw(r, "realm")
			var latest time.Time
			in(t, j, realm, func(tx *journal.Tx) { latest = tx.Now() })
			for _, step := range rapid.SliceOfN(rapid.Int64Range(-1e6, 1e6), 1, 20).Draw(r, "steps") {
				c.pass(time.Duration(step) * time.Millisecond)
				if c.at.After(latest) {
					latest = c.at
				}
				in(t, j, realm, func(tx *journal.Tx) { require.Equal(r, latest, tx.Now()) })
			}
		})
	})
}

func TestRealmsDoNotSeeEachOther(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		in(t, j, alice, func(tx *journal.Tx) {
			require.NoError(t, tx.PutQuote(aQuote("q")))
			redeemed := aQuote("used")
			redeemed.Digest, redeemed.State = "redeemed", journal.Redeemed
			require.NoError(t, tx.PutQuote(redeemed))
			declined := aQuote("no")
			declined.State = journal.Declined
			require.NoError(t, tx.PutQuote(declined))
			require.NoError(t, tx.PutIntent(anIntent("n", "q")))
			require.NoError(t, tx.PutOutcome(journal.Outcome{Nonce: "n"}))
			require.NoError(t, tx.PutLease(journal.Lease{Nonce: "n"}))
			require.NoError(t, tx.Append("a", "b", nil))
		})
		require.Empty(t, journaltest.Events(t, j, bob))
		in(t, j, bob, func(tx *journal.Tx) {
			for name, look := range map[string]func() (bool, error){
				"Quote": func() (bool, error) { _, found, err := tx.Quote("q"); return found, err },
				"LastQuote": func() (bool, error) {
					_, found, err := tx.LastQuote("local", "create_instance", "d")
					return found, err
				},
				"LastRedeemed": func() (bool, error) {
					_, found, err := tx.LastRedeemed("local", "create_instance", "redeemed")
					return found, err
				},
				"LastDeclined": func() (bool, error) { _, found, err := tx.LastDeclined("local", "create_instance"); return found, err },
				"Intent":       func() (bool, error) { _, found, err := tx.Intent("n"); return found, err },
				"IntentOf":     func() (bool, error) { _, found, err := tx.IntentOf("q"); return found, err },
				"Outcome":      func() (bool, error) { _, found, err := tx.Outcome("n"); return found, err },
				"Lease":        func() (bool, error) { _, found, err := tx.Lease("n"); return found, err },
				"Counting":     func() (bool, error) { all, err := tx.Counting(); return len(all) > 0, err },
			} {
				found, err := look()
				require.NoError(t, err, name)
				require.False(t, found, name)
			}
			_, err := tx.SwapQuote("q", func(*journal.Quote) {}, journal.Open)
			require.ErrorIs(t, err, journal.ErrMoved)
			_, err = tx.SwapIntent("n", func(*journal.Intent) {}, journal.Prepared)
			require.ErrorIs(t, err, journal.ErrMoved)
			require.NoError(t, tx.PutIntent(anIntent("n", "q")), "the same names are free in another realm")
		})
	})
}
