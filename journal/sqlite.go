package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite" // the SQLite driver, pure Go
	sqlite3 "modernc.org/sqlite/lib"
)

// file is the engine that keeps a journal in the SQLite file of that path;
// empty: in memory.
type file string

// pragmas are what "on disk when it returns" rests on: WAL alone does not sync
// on commit, and a deferred BEGIN that upgrades fails at once instead of waiting.
const pragmas = "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=fullfsync(1)"

func (f file) String() string {
	if f == "" {
		return "memory"
	}
	return string(f)
}

func (f file) connect(ctx context.Context) (*sql.DB, error) {
	if err := f.prepare(); err != nil {
		return nil, err
	}
	name := url.URL{Path: filepath.ToSlash(string(f))} // a file: name is a URI, in which %, # and ? mean something else
	dsn := "file:" + name.EscapedPath() + pragmas
	if f == "" {
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

// prepare makes the folder and the file private before SQLite sees them, for
// the -wal and -shm files take the mode of the main one.
func (f file) prepare() error {
	if f == "" {
		return nil
	}
	dir := filepath.Dir(string(f))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if name := networkFileSystem(dir); name != "" {
		return fmt.Errorf("%s is on a network file system (%s), where its locks do not hold: choose a local folder with --state-dir, or PostgreSQL with --journal-url-file", dir, name)
	}
	opened, err := os.OpenFile(string(f), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	// One that is there already may be open to others.
	return errors.Join(opened.Chmod(0o600), opened.Close())
}

// within leaves ctx as it is: SQLite waits for a lock five seconds at most.
func (file) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}

func (file) begin(ctx context.Context, db *sql.DB) (*sql.Tx, string, error) {
	tx, err := db.BeginTx(ctx, nil)
	return tx, "", err
}

// alone has nothing to do: every transaction has the only lock of the file.
func (file) alone(context.Context, *sql.Tx) error { return nil }

// settle believes the error: a commit that fails was rolled back.
func (file) settle(_ context.Context, _ *sql.DB, _ string, err error) error { return err }

func (file) bind(query string) string { return query }

func (file) explain(err error) error { return err }

func (f file) fresh(context.Context) (bool, error) {
	if f == "" {
		return false, nil
	}
	info, err := os.Stat(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	return err == nil && info.Size() == 0, err
}
