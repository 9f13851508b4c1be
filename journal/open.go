package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Journal is one database, opened when it is first needed. It is safe for
// concurrent use, by several processes too.
type Journal struct {
	engine engine
	now    func() time.Time

	opening chan struct{} // has room for whoever may open or close db
	db      *sql.DB

	mu    sync.Mutex
	heads map[string]Event
}

func newJournal(e engine, now func() time.Time) *Journal {
	return &Journal{engine: e, now: now, opening: make(chan struct{}, 1), heads: map[string]Event{}}
}

// engine is the database beneath a journal. Queries are written once, with a ?
// for each argument; whatever differs between databases stands here.
type engine interface {
	// connect opens the database and changes nothing in it.
	connect(ctx context.Context) (*sql.DB, error)
	// within bounds how long one use of the database may take.
	within(ctx context.Context) (context.Context, context.CancelFunc)
	// begin opens a transaction, of which the id is good for settle.
	begin(ctx context.Context, db *sql.DB) (tx *sql.Tx, id string, err error)
	// alone keeps everybody else from changing the schema until tx ends.
	alone(ctx context.Context, tx *sql.Tx) error
	// settle finds out what became of a transaction whose commit failed with
	// err: nil says that it was committed, ErrUnsure that nobody knows.
	settle(ctx context.Context, db *sql.DB, id string, err error) error
	// bind rewrites the ? of a query as the database wants them.
	bind(query string) string
	// explain is an error of the database without what must not be shown.
	explain(err error) error
	// fresh reports whether no journal was ever there.
	fresh(ctx context.Context) (bool, error)
}

// Errors of a journal that cannot be used. With any of them nothing may be
// spent.
var (
	// ErrUnreachable says that the database does not answer.
	ErrUnreachable = errors.New("the database of the journal cannot be reached")
	// ErrUnsure says that the connection was lost while a transaction was being
	// committed and that nobody could say whether it was. What the transaction
	// would have allowed must not be done.
	ErrUnsure = errors.New("the database did not say whether it was written down")
)

// New returns the journal kept in the SQLite file at path. It opens and creates
// nothing yet; now is the wall clock. An empty path keeps the journal in memory.
func New(path string, now func() time.Time) *Journal {
	return newJournal(file(path), now)
}

// Path is the file of the journal; empty when it is in none.
func (j *Journal) Path() string {
	path, _ := j.engine.(file)
	return string(path)
}

// Name says where the journal is, for people: the path of its file,
// "PostgreSQL", or "memory". It never tells the address of a database.
func (j *Journal) Name() string { return fmt.Sprint(j.engine) }

// Exists reports whether there may be anything to read. It creates nothing and
// does not ask a database over the network.
func (j *Journal) Exists() bool {
	if j.Path() == "" {
		return true
	}
	_, err := os.Stat(j.Path())
	return err == nil
}

// Fresh reports whether there is no journal yet, so that opening it would make
// one. It creates nothing.
func (j *Journal) Fresh(ctx context.Context) (bool, error) {
	ctx, cancel := j.engine.within(ctx)
	defer cancel()
	fresh, err := j.engine.fresh(ctx)
	return fresh, j.failed(err)
}

// Close closes the database if it was ever opened.
func (j *Journal) Close() error {
	j.opening <- struct{}{}
	defer func() { <-j.opening }()
	if j.db == nil {
		return nil
	}
	db := j.db
	j.db = nil
	return db.Close()
}

// open returns the database, opening it on the first call that succeeds.
func (j *Journal) open(ctx context.Context) (*sql.DB, error) {
	select {
	case j.opening <- struct{}{}:
		defer func() { <-j.opening }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if j.db != nil {
		return j.db, nil
	}
	db, err := j.engine.connect(ctx)
	if err != nil {
		return nil, j.failed(err)
	}
	if err := j.migrate(ctx, db); err != nil {
		return nil, j.failed(errors.Join(err, db.Close()))
	}
	j.db = db
	return db, nil
}

// failed is an error of the database as it may be shown.
func (j *Journal) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("journal: %w", j.engine.explain(err))
}
