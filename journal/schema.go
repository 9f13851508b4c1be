package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// migrations holds the steps from an empty database to today's schema; a step,
// once released, is never edited. What is looked up has a column, the rest of
// a row is its JSON body.
func migrations() []string {
	return []string{`
CREATE TABLE realms (
	realm TEXT PRIMARY KEY,
	epoch BIGINT NOT NULL,
	clock BIGINT NOT NULL);
CREATE TABLE quotes (
	realm TEXT NOT NULL, id TEXT NOT NULL, code TEXT NOT NULL, caller TEXT NOT NULL, tool TEXT NOT NULL,
	digest TEXT NOT NULL, state TEXT NOT NULL, created BIGINT NOT NULL, body TEXT NOT NULL,
	PRIMARY KEY (realm, id), UNIQUE (realm, code));
CREATE INDEX quotes_by_call ON quotes (realm, caller, tool, digest, created);
CREATE TABLE approvals (
	realm TEXT NOT NULL, quote TEXT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE intents (
	realm TEXT NOT NULL, nonce TEXT NOT NULL, quote TEXT NOT NULL, state TEXT NOT NULL, instance BIGINT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (realm, nonce));
CREATE INDEX intents_by_instance ON intents (realm, instance);
CREATE UNIQUE INDEX one_intent_per_quote ON intents (realm, quote) WHERE state <> 'refused';
CREATE TABLE outcomes (
	realm TEXT NOT NULL, nonce TEXT NOT NULL, body TEXT NOT NULL,
	PRIMARY KEY (realm, nonce));
CREATE TABLE leases (
	realm TEXT NOT NULL, nonce TEXT NOT NULL, body TEXT NOT NULL,
	PRIMARY KEY (realm, nonce));
CREATE TABLE events (
	realm TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
	data TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL,
	PRIMARY KEY (realm, seq));
`, `
ALTER TABLE intents ADD COLUMN day TEXT NOT NULL DEFAULT '';
CREATE INDEX intents_by_state ON intents (realm, state);
CREATE TABLE settings (
	realm TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
	PRIMARY KEY (realm, name));
`, `
ALTER TABLE quotes ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
`}
}

// errNewer is a journal of a program that this one cannot know.
var errNewer = errors.New("written by a newer vast-mcp")

// migrate brings the database to today's schema in one transaction, alone: of
// several that start together the first does it. Where there is nothing to do
// it waits for nobody.
func (j *Journal) migrate(ctx context.Context, db *sql.DB) error {
	steps := migrations()
	if version, err := schemaVersion(ctx, db); err == nil && version == len(steps) {
		return nil
	}
	tx, id, err := j.engine.begin(ctx, db)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := j.engine.alone(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)`); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return fmt.Errorf("%w (schema %d, this one knows %d): update this program", errNewer, version, len(steps))
	}
	for i, step := range steps[version:] {
		number := version + i + 1
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("migrating to schema %d: %w", number, j.engine.explain(err))
		}
		if _, err := tx.ExecContext(ctx, j.engine.bind(`INSERT INTO schema_version (version) VALUES (?)`), number); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return j.engine.settle(ctx, db, id, err)
	}
	return nil
}

// querier is a database or a transaction in it.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func schemaVersion(ctx context.Context, in querier) (int, error) {
	var version sql.NullInt64
	err := in.QueryRowContext(ctx, `SELECT MAX(version) FROM schema_version`).Scan(&version)
	return int(version.Int64), err
}
