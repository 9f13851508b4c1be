// Package journaltest gives tests every kind of journal: SQLite always, and
// PostgreSQL where the environment names a server.
//
// The one rule: each test has a database of its own, which is gone afterwards.
package journaltest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/journal"
)

// ServerEnv names the PostgreSQL server that tests may make schemas in: its URL,
// with host and port.
const ServerEnv = "TEST_POSTGRES"

// Place is one database. Every journal that is opened on it is as another
// process would have it.
type Place struct {
	Path string // of the SQLite file; empty for PostgreSQL
	URL  string // of the PostgreSQL database; empty for SQLite

	t *testing.T
}

// Each runs f on a fresh database of every kind, each as a subtest.
func Each(t *testing.T, f func(t *testing.T, p Place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		f(t, File(t))
	})
	Postgres(t, f)
}

// Postgres runs f on a fresh PostgreSQL database, as a subtest. Without a server
// it runs nothing.
func Postgres(t *testing.T, f func(t *testing.T, p Place)) {
	t.Helper()
	if server := os.Getenv(ServerEnv); server != "" {
		t.Run("postgres", func(t *testing.T) {
			f(t, Place{URL: schema(t, server), t: t})
		})
	}
}

// Any is one fresh database: PostgreSQL where there is a server, else Memory.
func Any(t *testing.T) Place {
	t.Helper()
	if server := os.Getenv(ServerEnv); server != "" {
		return Place{URL: schema(t, server), t: t}
	}
	return Memory(t)
}

// Memory is SQLite in memory, which only one journal can be opened on.
func Memory(t *testing.T) Place {
	t.Helper()
	return Place{t: t}
}

// File is a SQLite file that is not there yet, nor its folder.
func File(t *testing.T) Place {
	t.Helper()
	return Place{Path: filepath.Join(t.TempDir(), "state", "live", "journal.db"), t: t}
}

// schema makes a schema on the server that the test's end drops, and returns
// the URL that leads into it.
func schema(t *testing.T, server string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	admin := func(statement string) {
		db, err := sql.Open("pgx", server)
		require.NoError(t, err)
		_, err = db.ExecContext(context.WithoutCancel(t.Context()), statement)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	admin(`CREATE SCHEMA ` + name)
	t.Cleanup(func() { admin(`DROP SCHEMA ` + name + ` CASCADE`) })
	u, err := url.Parse(server)
	require.NoError(t, err)
	query := u.Query()
	query.Set("search_path", name)
	u.RawQuery = query.Encode()
	return u.String()
}

// Open is a journal on the database that is closed when the test ends.
func (p Place) Open(now func() time.Time) *journal.Journal {
	p.t.Helper()
	j := journal.New(p.Path, now)
	if p.URL != "" {
		var err error
		j, err = journal.Postgres(p.URL, now)
		require.NoError(p.t, err)
	}
	p.t.Cleanup(func() { require.NoError(p.t, j.Close()) })
	return j
}

// DB is the database itself, for tests that look at it or damage it.
func (p Place) DB() *sql.DB {
	p.t.Helper()
	driver, name := "sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(p.Path)}).EscapedPath()
	if p.URL != "" {
		driver, name = "pgx", p.URL
	}
	db, err := sql.Open(driver, name)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { require.NoError(p.t, db.Close()) })
	return db
}

// Edit changes rows behind the journal's back. The statements are parted by
// semicolons.
func (p Place) Edit(statements string) {
	p.t.Helper()
	_, err := p.DB().ExecContext(p.t.Context(), statements)
	require.NoError(p.t, err)
}

// Events reads the chain of a realm, which must be whole.
func Events(t *testing.T, j *journal.Journal, realm string) (all []journal.Event) {
	t.Helper()
	for e, err := range j.Events(t.Context(), realm) {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

// At is the SQLite file at path, where a program under test keeps it.
func (p Place) At(path string) Place {
	p.Path = path
	return p
}
