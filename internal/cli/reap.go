package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vast-mcp/internal/server"
	"vast-mcp/vast"
)

type reapCmd struct {
	Watch bool `help:"Go on until it is told to stop, and look again whenever a lease ends."`
}

// reapWithin is how long one run waits until what it ended is seen stopped or
// gone.
const reapWithin = 2 * time.Minute

// Run ends what is past its lease. It exits 0 only when a complete list showed
// that nothing is, or everything was seen stopped or gone.
func (c reapCmd) Run(ctx context.Context, s *session) error {
	if s.globals.ReadOnly {
		return usage("reap ends what is past its lease, and --read-only forbids that: leave it out")
	}
	config, err := s.config(reapPace())
	if err != nil {
		return err
	}
	config.Reaper = true
	app, err := server.New(config)
	if err != nil {
		return &exit{exitUsage, err}
	}
	if c.Watch {
		err = s.watchLeases(ctx, app)
	} else {
		err = s.reaped(app.Reap(ctx, reapWithin))
	}
	return errors.Join(err, app.Close())
}

// watchLeases reaps until ctx ends, and says what changes.
func (s *session) watchLeases(ctx context.Context, app *server.App) error {
	var last server.Round
	said := map[string]bool{}
	err := app.Watch(ctx, func(r server.Round) {
		last = r
		now := map[string]bool{}
		for _, line := range lines(r) {
			if now[line] = true; !said[line] {
				_, _ = fmt.Fprintf(s.stdout, "%s %s\n", vast.SystemClock{}.Now().UTC().Format(time.RFC3339), line)
			}
		}
		said = now
	})
	if err != nil {
		return err
	}
	if last.Err != nil || len(last.Left) > 0 {
		return &exit{exitError, errors.New("something was past its lease and not seen ended yet when this stopped")}
	}
	return nil
}

// reaped tells of one run, and fails unless nothing remains.
func (s *session) reaped(r server.Round) error {
	for _, line := range lines(r) {
		_, _ = fmt.Fprintln(s.stdout, line)
	}
	if len(r.Did) > 0 && r.Err == nil && len(r.Left) == 0 {
		_, _ = fmt.Fprintln(s.stdout, "All of it was seen stopped or gone.")
	}
	switch {
	case r.Err != nil:
		return fmt.Errorf("the instances cannot be listed, so nothing is known to be ended: %w", r.Err)
	case len(r.Left) > 0, len(r.Open) > 0:
		return &exit{exitError, errors.New("this remains; run it again, or end it by hand")}
	}
	return nil
}

// lines say what a round did and left, one fact a line.
func lines(r server.Round) (all []string) {
	for _, e := range r.Did {
		all = append(all, e.String())
	}
	for _, e := range r.Left {
		all = append(all, "left: "+e.String())
	}
	for _, o := range r.Open {
		all = append(all, "open: "+pending(o)+", nonce "+o.Nonce)
	}
	all = slices.Compact(all) // of what is tried again
	switch {
	case r.Err != nil:
		all = append(all, "the instances cannot be listed; this is tried again: "+r.Err.Error())
	case len(all) > 0:
	case r.Next.IsZero():
		all = append(all, "Nothing is past its lease, and no lease runs.")
	default:
		all = append(all, "Nothing is past its lease. The next one ends at "+r.Next.UTC().Format(time.RFC3339)+".")
	}
	return all
}
