package journal

import (
	"context"
	"database/sql"
)

// DB returns the database that j really uses.
func DB(ctx context.Context, j *Journal) (*sql.DB, error) { return j.open(ctx) }

// SQL returns the transaction that t really uses.
func SQL(t *Tx) *sql.Tx { return t.tx }
