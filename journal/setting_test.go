package journal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

func TestASettingStandsUntilItIsPutAgain(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		type limits struct{ Cap int64 }
		read := func(realm, name string) (value limits, ok bool) {
			value.Cap = -1
			in(t, j, realm, func(tx *journal.Tx) {
				var err error
				ok, err = tx.Setting(name, &value)
				require.NoError(t, err)
			})
			return value, ok
		}
		value, ok := read(alice, "limits")
		require.False(t, ok)
		require.Equal(t, limits{-1}, value, "nothing was touched")
		for _, cap := range []int64{5, 0, 7} {
			in(t, j, alice, func(tx *journal.Tx) { require.NoError(t, tx.PutSetting("limits", limits{cap})) })
			value, ok = read(alice, "limits")
			require.True(t, ok)
			require.Equal(t, limits{cap}, value)
		}
		for _, other := range [][2]string{{bob, "limits"}, {journal.Own, "limits"}, {alice, "others"}} {
			_, ok = read(other[0], other[1])
			require.False(t, ok, "%v", other)
		}
		p.Edit(`UPDATE settings SET body = '['`)
		require.Error(t, j.Tx(t.Context(), alice, func(tx *journal.Tx) error { _, err := tx.Setting("limits", &value); return err }))
	})
}

func TestWhatWasSpentOnADay(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		over := map[journal.IntentState]bool{journal.Refused: true, journal.Closed: true, journal.Ended: true}
		in(t, j, alice, func(tx *journal.Tx) {
			for state := range counting() {
				for _, day := range []string{"2026-03-01", "2026-03-02", ""} {
					row := anIntent(string(state)+" "+day, "q "+string(state)+day)
					require.NoError(t, tx.PutIntent(row))
					_, err := tx.SwapIntent(row.Nonce, func(in *journal.Intent) {
						in.State, in.Cost = state, journal.Cost{Day: day, Spent: 3}
					}, journal.Prepared)
					require.NoError(t, err)
				}
			}
			all, err := tx.SpentOn("2026-03-02")
			require.NoError(t, err)
			require.Len(t, all, len(over))
			for _, row := range all {
				require.True(t, over[row.State], row.State)
				require.Equal(t, "2026-03-02", row.Cost.Day)
			}
		})
		in(t, j, bob, func(tx *journal.Tx) {
			all, err := tx.SpentOn("2026-03-02")
			require.NoError(t, err)
			require.Empty(t, all)
		})
	})
}

func TestTheCallerOfAnInstanceIsWhoStartedItLast(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		caller := func(realm string, instance int64) (name string, known bool) {
			in(t, j, realm, func(tx *journal.Tx) {
				var err error
				name, known, err = tx.CallerOf(instance)
				require.NoError(t, err)
			})
			return name, known
		}
		put := func(nonce, by string, state journal.IntentState) {
			c.pass(time.Minute)
			in(t, j, alice, func(tx *journal.Tx) {
				row := anIntent(nonce, "q "+nonce)
				row.Caller, row.Instance, row.State = by, 7, state
				require.NoError(t, tx.PutIntent(row))
			})
		}
		put("a hint", "eve", journal.Unknown)
		put("not done", "eve", journal.Refused)
		_, known := caller(alice, 7)
		require.False(t, known, "nobody was seen to have it")
		put("rented", "ann", journal.Rented)
		put("started", "bea", journal.Ended)
		put("tried", "eve", journal.Sent)
		name, known := caller(alice, 7)
		require.True(t, known)
		require.Equal(t, "bea", name)
		_, known = caller(alice, 8)
		require.False(t, known)
		_, known = caller(bob, 7)
		require.False(t, known)
	})
}
