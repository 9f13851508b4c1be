package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

// before makes the database of a place ahead of the journal.
func before(t *testing.T, p journaltest.Place, statements string) {
	t.Helper()
	if p.Path != "" {
		in(t, p.Open(newClock().now), alice, func(*journal.Tx) {}) // makes the folder and its file
		for _, table := range tables(t, p) {
			p.Edit(`DROP TABLE ` + table)
		}
	}
	p.Edit(statements)
}

func TestADatabaseOfANewerProgramIsRefused(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		before(t, p, `CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version (version) VALUES (1), (99)`)
		err := p.Open(newClock().now).Tx(t.Context(), alice, func(*journal.Tx) error { return nil })
		require.EqualError(t, err, "journal: written by a newer vast-mcp (schema 99, this one knows 3): update this program")
		require.Equal(t, []string{"schema_version"}, tables(t, p), "nothing in it was touched")
	})
}

func TestManyOpenersMigrateOnce(t *testing.T) {
	for range 8 {
		journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
			t.Helper()
			begin := make(chan struct{})
			var openers errgroup.Group
			for range 6 {
				j := p.Open(newClock().now)
				openers.Go(func() error {
					<-begin
					return j.Tx(t.Context(), alice, func(tx *journal.Tx) error { return tx.Append("opened", "", nil) })
				})
			}
			close(begin)
			require.NoError(t, openers.Wait())

			var steps, highest int
			row := p.DB().QueryRowContext(t.Context(), `SELECT COUNT(*), MAX(version) FROM schema_version`)
			require.NoError(t, row.Scan(&steps, &highest))
			require.Equal(t, highest, steps, "each step was taken once")
			require.Len(t, journaltest.Events(t, p.Open(newClock().now), alice), 6)
		})
	}
}

func TestAStepThatFailsLeavesNothing(t *testing.T) {
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		before(t, p, `CREATE TABLE leases (other TEXT)`) // in the way of the first step
		err := p.Open(newClock().now).Tx(t.Context(), alice, func(*journal.Tx) error { return nil })
		require.ErrorContains(t, err, "migrating to schema 1")
		require.Equal(t, []string{"leases"}, tables(t, p))
	})
}

// tables names the tables of the database.
func tables(t *testing.T, p journaltest.Place) (names []string) {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
	if p.URL != "" {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`
	}
	rows, err := p.DB().QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	return names
}
