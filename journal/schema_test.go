package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vast-mcp/journal"
)

func TestAFileOfANewerProgramIsRefused(t *testing.T) {
	path := place(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	db := raw(t, path, "")
	edit(t, db, `CREATE TABLE schema_version (version BIGINT NOT NULL)`)
	edit(t, db, `INSERT INTO schema_version (version) VALUES (1), (99)`)

	err := open(t, path, newClock()).Tx(t.Context(), alice, func(*journal.Tx) error { return nil })
	require.EqualError(t, err, "journal: written by a newer vast-mcp (schema 99, this one knows 2): update this program")
	require.Equal(t, []string{"schema_version"}, tables(t, db), "nothing in it was touched")
}

func TestManyOpenersMigrateOnce(t *testing.T) {
	for range 25 {
		path, begin := place(t), make(chan struct{})
		var openers errgroup.Group
		for range 6 {
			j := open(t, path, newClock())
			openers.Go(func() error {
				<-begin
				return j.Tx(t.Context(), alice, func(tx *journal.Tx) error { return tx.Append("opened", "", nil) })
			})
		}
		close(begin)
		require.NoError(t, openers.Wait())

		var steps, highest int
		row := raw(t, path, "").QueryRowContext(t.Context(), `SELECT COUNT(*), MAX(version) FROM schema_version`)
		require.NoError(t, row.Scan(&steps, &highest))
		require.Equal(t, highest, steps, "each step was taken once")
		in(t, open(t, path, newClock()), alice, func(tx *journal.Tx) {
			all, err := tx.Events()
			require.NoError(t, err)
			require.Len(t, all, 6)
		})
	}
}

func TestAStepThatFailsLeavesNothing(t *testing.T) {
	path := place(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	db := raw(t, path, "")
	edit(t, db, `CREATE TABLE leases (other TEXT)`) // in the way of the first step

	err := open(t, path, newClock()).Tx(t.Context(), alice, func(*journal.Tx) error { return nil })
	require.ErrorContains(t, err, "migrating to schema 1")
	require.Equal(t, []string{"leases", "schema_version"}, tables(t, db))
}
