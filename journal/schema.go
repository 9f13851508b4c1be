package journal

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations holds the steps from an empty file to today's schema; a step,
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
`}
}

// migrate brings the file to today's schema, each step in its own transaction
// so that two processes that start together do not both take it.
func migrate(ctx context.Context, db *sql.DB) error {
	steps := migrations()
	for {
		version, err := schemaVersion(ctx, db)
		switch {
		case err != nil:
			return err
		case version > len(steps):
			return fmt.Errorf("written by a newer vast-mcp (schema %d, this one knows %d): update this program", version, len(steps))
		case version == len(steps):
			return nil
		}
		if err := migrateStep(ctx, db, version, steps[version]); err != nil {
			return fmt.Errorf("migrating to schema %d: %w", version+1, err)
		}
	}
}

func schemaVersion(ctx context.Context, db *sql.DB) (int, error) {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)`); err != nil {
		return 0, err
	}
	var version sql.NullInt64
	err := db.QueryRowContext(ctx, `SELECT MAX(version) FROM schema_version`).Scan(&version)
	return int(version.Int64), err
}

func migrateStep(ctx context.Context, db *sql.DB, from int, step string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var version sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT MAX(version) FROM schema_version`).Scan(&version); err != nil {
		return err
	}
	if int(version.Int64) != from {
		return nil
	}
	if _, err := tx.ExecContext(ctx, step); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES (?)`, from+1); err != nil {
		return err
	}
	return tx.Commit()
}
