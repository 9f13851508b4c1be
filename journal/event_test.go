package journal_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

func TestEventsAreChained(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		j := p.Open(c.now)
		require.Empty(t, journaltest.Events(t, j, alice))
		for _, kind := range []string{"quoted", "approved", "redeemed"} {
			c.pass(time.Second)
			for _, realm := range []string{alice, bob} {
				in(t, j, realm, func(tx *journal.Tx) {
					require.NoError(t, tx.Append(kind, "q_1", map[string]any{"html": "<&>", "n": 1}))
				})
			}
		}
		all := journaltest.Events(t, j, alice)
		require.Len(t, all, 3)
		prev := ""
		for i, e := range all {
			require.Equal(t, int64(i+1), e.Seq)
			require.Equal(t, prev, e.Prev)
			require.Len(t, e.Hash, 64)
			require.Equal(t, epoch.Add(time.Duration(i+1)*time.Second), e.At)
			require.JSONEq(t, `{"html":"<&>","n":1}`, string(e.Data))
			prev = e.Hash
		}
		require.NotEqual(t, prev, journaltest.Events(t, j, bob)[2].Hash, "the same events of another realm are another chain")
	})
}

func TestWhatIsNoJSONIsNoEvent(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		err := j.Tx(t.Context(), alice, func(tx *journal.Tx) error { return tx.Append("a", "b", math.NaN()) })
		require.ErrorContains(t, err, "journal: ")
		require.Empty(t, journaltest.Events(t, j, alice))
	})
}

// cuts are ways to damage a chain of five events.
func cuts() map[string]string {
	return map[string]string{
		"an edited time":           `UPDATE events SET at = at + 1 WHERE seq = 3`,
		"an edited kind":           `UPDATE events SET kind = 'approved' WHERE seq = 3`,
		"an edited subject":        `UPDATE events SET subject = 'q_2' WHERE seq = 3`,
		"edited data":              `UPDATE events SET data = '{"via":"a person"}' WHERE seq = 3`,
		"an edited link":           `UPDATE events SET prev = '' WHERE seq = 3`,
		"an edited hash":           `UPDATE events SET hash = 'f' || substr(hash, 2) || 'f' WHERE seq = 3`,
		"text moved over":          `UPDATE events SET kind = kind || substr(subject, 1, 1), subject = substr(subject, 2) WHERE seq = 3`,
		"a row cut out":            `DELETE FROM events WHERE seq = 3`,
		"a row cut and renumbered": `DELETE FROM events WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4; UPDATE events SET seq = 4 WHERE seq = 5`,
		"the first row cut out":    `DELETE FROM events WHERE seq = 1`,
		"two rows exchanged":       `UPDATE events SET seq = -3 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4; UPDATE events SET seq = 4 WHERE seq = -3`,
		"a row of another realm":   `DELETE FROM events WHERE seq = 3 AND realm = '` + alice + `'; UPDATE events SET realm = '` + alice + `' WHERE seq = 3`,
	}
}

func TestDamageToTheChainShows(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		j := p.Open(newClock().now)
		number := 0
		for name, statements := range cuts() {
			number++
			realm := func(of string) string { return fmt.Sprint(of, " ", number) }
			for i := range 5 {
				for _, of := range []string{alice, bob} {
					in(t, j, realm(of), func(tx *journal.Tx) { require.NoError(t, tx.Append("quoted", "q_1", i)) })
				}
			}
			require.Len(t, journaltest.Events(t, j, realm(alice)), 5)
			statements = strings.ReplaceAll(statements, alice, realm(alice))
			for statement := range strings.SplitSeq(statements, ";") {
				p.Edit(statement + ` AND realm IN ('` + realm(alice) + `', '` + realm(bob) + `')`)
			}
			require.ErrorIs(t, damage(t, j, realm(alice)), journal.ErrDamaged, name)
		}
	})
}

// damage is the error that a realm's chain ends with.
func damage(t *testing.T, j *journal.Journal, realm string) (last error) {
	t.Helper()
	for _, err := range j.Events(t.Context(), realm) {
		require.NoError(t, last, "nothing comes after the damage")
		last = err
	}
	return last
}

func TestConcurrentAppendsNeverFork(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		c := newClock()
		const writers, each = 4, 12
		var group errgroup.Group
		for w := range writers {
			j := p.Open(c.now)
			group.Go(func() error {
				for i := range each {
					err := j.Tx(t.Context(), alice, func(tx *journal.Tx) error { return tx.Append("tick", fmt.Sprint(w), i) })
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		requireOrder(t, journaltest.Events(t, p.Open(c.now), alice), writers, each)
	})
}

// requireOrder checks that every writer's events are there, each in its order.
func requireOrder(t *testing.T, all []journal.Event, writers, each int) {
	t.Helper()
	require.Len(t, all, writers*each)
	next := map[string]int{}
	for _, e := range all {
		require.Equal(t, fmt.Sprint(next[e.Subject]), string(e.Data))
		next[e.Subject]++
	}
	require.Len(t, next, writers)
}

// appender is a process that appends to the journal of that place.
func appender(t *testing.T, p journaltest.Place) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), appenderEnv+"="+p.Path+p.URL)
	return cmd
}

func TestProcessesShareADatabase(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		const processes = 2
		var group errgroup.Group
		for range processes { // they start together, on a database that is empty
			group.Go(appender(t, p).Run)
		}
		require.NoError(t, group.Wait())
		requireOrder(t, journaltest.Events(t, p.Open(newClock().now), alice), processes, appended)
	})
}

func TestWhatWasWrittenOutlivesItsProcess(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		cmd := appender(t, p)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		said := 0
		for lines := bufio.NewScanner(out); said < appended/4 && lines.Scan(); said++ {
			require.Equal(t, fmt.Sprint(said), lines.Text())
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed, or had ended just before

		require.Equal(t, appended/4, said)
		require.GreaterOrEqual(t, len(journaltest.Events(t, p.Open(newClock().now), alice)), said, "every event that was said to be on disk is there")
		if p.Path != "" {
			require.Equal(t, "ok", integrity(t, p.DB()))
		}
	})
}

func integrity(t *testing.T, db *sql.DB) (word string) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&word))
	return word
}
