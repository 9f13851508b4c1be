package cli

import (
	"context"
	"errors"
	"fmt"

	"vast-mcp/internal/server"
	"vast-mcp/vast"
)

type releaseCmd struct {
	Instance vast.InstanceID `arg:"" help:"Id of the instance."`
}

// Run takes a lease off an instance, which only its owner may do: where a
// passphrase is set, only with it.
func (c releaseCmd) Run(ctx context.Context, s *session) error {
	app, err := s.app(callPace())
	if err != nil {
		return err
	}
	return errors.Join(c.release(ctx, s, app), app.Close())
}

func (c releaseCmd) release(ctx context.Context, s *session, app *server.App) error {
	if _, err := fmt.Fprintf(s.stdout, "Without its lease instance %d runs, and costs money, until somebody ends it.\n", c.Instance); err != nil {
		return err
	}
	if yes, err := s.confirmed(ctx); err != nil || !yes {
		return errors.Join(&exit{exitError, errors.New("the lease stays")}, err)
	}
	if err := s.ownerAgrees(ctx, app.Journal()); err != nil {
		return err
	}
	row, err := app.Release(ctx, c.Instance)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "Released: instance %d at $%.4f/h. vast-mcp orphans shows it from now on.\n", row.ID, row.PerHour)
	return err
}
