package journal

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// server is the engine that keeps a journal in PostgreSQL 13 or newer. It keeps
// nothing in the session, so that a pooler may lend each transaction another.
type server struct{ config *pgx.ConnConfig }

const (
	connectWithin = 5 * time.Second
	useWithin     = 15 * time.Second // one transaction, waiting for the realm's lock included
	connections   = 4                // transactions of one realm follow each other anyway
)

// Postgres returns the journal kept in the PostgreSQL database at url, which
// begins with postgres://. It opens and creates nothing yet; now is the wall
// clock. What the URL leaves out is taken from the variables and files that
// PostgreSQL's own programs read. No error ever tells the URL or a part of it.
func Postgres(url string, now func() time.Time) (*Journal, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, errors.New("the address of the journal is no PostgreSQL URL: write it as postgres://USER:PASSWORD@HOST/DATABASE")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the PostgreSQL URL of the journal cannot be read: look for characters in the password that need %-escapes, and for misspelled options")
	}
	config.ConnectTimeout = min(cmp.Or(config.ConnectTimeout, connectWithin), connectWithin)
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.RuntimeParams["application_name"] = "vast-mcp"
	return newJournal(server{config}, now), nil
}

func (server) String() string { return "PostgreSQL" }

func (s server) connect(context.Context) (*sql.DB, error) {
	always := func(context.Context, stdlib.ShouldPingParams) bool { return true } // a database that was restarted fails no call
	db := stdlib.OpenDB(*s.config, stdlib.OptionShouldPing(always))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

func (server) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, useWithin, fmt.Errorf("journal: %w: it took longer than %v", ErrUnreachable, useWithin))
}

// begin takes the id of the transaction along and sets what holds inside it: no
// statement waits for longer than ten seconds, and if this process hangs, the
// realm is free again after as long.
func (server) begin(ctx context.Context, db *sql.DB) (*sql.Tx, string, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, "", err
	}
	var id, synchronous, ignored string
	err = tx.QueryRowContext(ctx, `SELECT pg_current_xact_id()::text, current_setting('synchronous_commit'),
set_config('statement_timeout', '10s', true) || set_config('idle_in_transaction_session_timeout', '10s', true)`).Scan(&id, &synchronous, &ignored)
	if err == nil && synchronous != "on" && synchronous != "remote_apply" {
		err = fmt.Errorf("%w: synchronous_commit is %s there, so that it may forget what was written down; run ALTER DATABASE name SET synchronous_commit = 'on', and try again", errUnfit, synchronous)
	}
	if err != nil {
		return nil, "", errors.Join(err, tx.Rollback())
	}
	return tx, id, nil
}

// migrationLock is an arbitrary number: programs that change the schema of one
// database at the same time wait for each other.
const migrationLock = 0x766d6370

func (server) alone(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock))
	return err
}

const (
	askFirst = 50 * time.Millisecond
	askTimes = 6 // doubling: three seconds in all
)

// settle asks for the status of the transaction, on another connection if the
// one it had is lost.
func (server) settle(ctx context.Context, db *sql.DB, id string, err error) error {
	if refused(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), useWithin)
	defer cancel()
	wait := askFirst
	for range askTimes {
		var status sql.NullString
		asked := db.QueryRowContext(ctx, `SELECT pg_xact_status($1::xid8)`, id).Scan(&status)
		switch {
		case asked == nil && status.String == "committed":
			return nil
		case asked == nil && status.String == "aborted":
			return err
		}
		pause, over := context.WithTimeout(ctx, wait)
		<-pause.Done()
		over()
		wait *= 2
	}
	return ErrUnsure
}

// refused reports whether a commit certainly did not happen, because the
// database, or database/sql before it, said so. What the driver itself says of
// a lost connection is no proof: it also calls it safe to send once more what
// was sent in full.
func refused(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && said.SeverityUnlocalized == "ERROR" || errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, sql.ErrTxDone)
}

func (server) bind(query string) string {
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

func (s server) fresh(ctx context.Context) (bool, error) {
	db, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	var there bool
	err = db.QueryRowContext(ctx, `SELECT to_regclass('schema_version') IS NOT NULL`).Scan(&there)
	return err == nil && !there, errors.Join(err, db.Close())
}
