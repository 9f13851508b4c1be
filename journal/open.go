package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite" // the SQLite driver, pure Go
	sqlite3 "modernc.org/sqlite/lib"
)

// Journal is one SQLite file, opened when it is first needed. It is safe for
// concurrent use, by several processes too.
type Journal struct {
	path string
	now  func() time.Time

	mu sync.Mutex
	db *sql.DB
}

// New returns the journal kept at path. It opens and creates nothing yet; now
// is the wall clock. An empty path keeps the journal in memory.
func New(path string, now func() time.Time) *Journal {
	return &Journal{path: path, now: now}
}

// pragmas are what "on disk when it returns" rests on: WAL alone does not sync
// on commit, and a deferred BEGIN that upgrades fails at once instead of waiting.
const pragmas = "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=fullfsync(1)"

// Path is the file of the journal; empty when it is in memory.
func (j *Journal) Path() string { return j.path }

// Exists reports whether there is anything to read. It creates nothing.
func (j *Journal) Exists() bool {
	if j.path == "" {
		return true
	}
	_, err := os.Stat(j.path)
	return err == nil
}

// Close closes the file if it was ever opened.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.db == nil {
		return nil
	}
	db := j.db
	j.db = nil
	return db.Close()
}

// open returns the database, opening it on the first call that succeeds.
func (j *Journal) open(ctx context.Context) (*sql.DB, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.db != nil {
		return j.db, nil
	}
	db, err := j.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j.db = db
	return db, nil
}

func (j *Journal) connect(ctx context.Context) (*sql.DB, error) {
	if err := j.prepareFile(); err != nil {
		return nil, err
	}
	name := url.URL{Path: filepath.ToSlash(j.path)} // a file: name is a URI, in which %, # and ? mean something else
	dsn := "file:" + name.EscapedPath() + pragmas
	if j.path == "" {
		dsn = ":memory:" + pragmas
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	// One writer: an in-memory database lives in its connection, and a file
	// has one lock anyway.
	db.SetMaxOpenConns(1)
	if err := switchToWAL(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

const switchTries = 100

// switchToWAL makes the connection. SQLite does not wait for the lock that turns
// a fresh file into one with a WAL: of several that open it at once, all but
// one are told that it is busy, and try again.
func switchToWAL(ctx context.Context, db *sql.DB) (err error) {
	for range switchTries {
		err = db.PingContext(ctx)
		if failed, ok := errors.AsType[*sqlite.Error](err); !ok || failed.Code() != sqlite3.SQLITE_BUSY {
			break
		}
	}
	return err
}

// prepareFile makes the folder and the file private before SQLite sees them,
// for the -wal and -shm files take the mode of the main one.
func (j *Journal) prepareFile() error {
	if j.path == "" {
		return nil
	}
	dir := filepath.Dir(j.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if name := networkFileSystem(dir); name != "" {
		return fmt.Errorf("%s is on a network file system (%s), where its locks do not hold: choose a local folder with --state-dir", dir, name)
	}
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	// One that is there already may be open to others.
	return errors.Join(f.Chmod(0o600), f.Close())
}
