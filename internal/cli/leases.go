package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"vast-mcp/internal/server"
	"vast-mcp/internal/view"
)

type leasesCmd struct {
	JSON bool `help:"Print what the tool list_leases answers." name:"json"`
}

// Run lists the leases, once.
func (c leasesCmd) Run(ctx context.Context, s *session) error {
	return s.looking(ctx, func(ctx context.Context, app *server.App) error {
		v, err := app.Leases(ctx)
		if err != nil {
			return err
		}
		return s.show(v, c.JSON)
	})
}

type orphansCmd struct {
	JSON bool `help:"Print what the tool list_orphans answers." name:"json"`
}

// Run lists the orphans, once. It exits 1 when there is any, or when it is not
// known.
func (c orphansCmd) Run(ctx context.Context, s *session) error {
	return s.looking(ctx, func(ctx context.Context, app *server.App) error {
		call := view.Call(s.callCommand)
		if c.JSON {
			call = view.ByAgent
		}
		v, err := app.Orphans(ctx, call)
		if err != nil {
			return err
		}
		if err := s.show(v, c.JSON); err != nil {
			return err
		}
		if v.Left() {
			return &exit{code: exitError}
		}
		return nil
	})
}

// looking runs one look at the account.
func (s *session) looking(ctx context.Context, look func(context.Context, *server.App) error) error {
	app, err := s.app(callPace())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	return errors.Join(look(ctx, app), app.Close())
}

// show prints a view for a person or, as one line of JSON, for a program.
func (s *session) show(v interface{ Text() string }, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprint(s.stdout, v.Text())
		return err
	}
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s\n", line)
	return err
}
