package server

import (
	"cmp"
	"context"
	"strings"

	"vast-mcp/guard"
)

// inForce is what holds now, for what shows it and decides nothing: it asks the
// API for nothing, and where the journal cannot be read it is what the program
// was started with.
func (a *App) inForce(ctx context.Context) guard.InForce {
	c, err := a.Ceiling(ctx)
	in, bad := c.Under(a.config.Policy, a.config.Mode)
	if err := cmp.Or(err, bad); err != nil {
		if ctx.Err() == nil {
			a.config.Log.Warn("the limits that are stored for this account cannot be read", "err", err)
		}
		in, _ = guard.Ceiling{}.Under(a.config.Policy, a.config.Mode) // which no ceiling makes fail
	}
	set, err := guard.HasApprover(ctx, a.config.Journal)
	return in.WithApprover(set && err == nil)
}

// InForce is what holds now; what the program was started with, and an error,
// where that cannot be read.
func (a *App) InForce(ctx context.Context) (guard.InForce, error) { return a.guard.InForce(ctx) }

// Standing is where the account stands with the limits in force. It fails when
// the list of what runs cannot be read.
func (a *App) Standing(ctx context.Context) (guard.Standing, error) {
	return a.guard.Standing(ctx, guard.Need{Credit: true, Charges: true})
}

// Realm names the account. It asks the API once.
func (a *App) Realm(ctx context.Context) (string, error) { return a.desk.Realm(ctx) }

// Ceiling is what is stored for an account with this API key, found without
// asking the API; the zero Ceiling where there is none. It makes no journal.
func (a *App) Ceiling(ctx context.Context) (guard.Ceiling, error) {
	if !a.config.Journal.Exists() {
		return guard.Ceiling{}, nil
	}
	return guard.CeilingOf(ctx, a.config.Journal, a.config.Fingerprint, func(realm string) bool {
		return strings.HasPrefix(realm, a.config.Client.Origin()+"#")
	})
}
