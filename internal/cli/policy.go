package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vast-mcp/guard"
	"vast-mcp/internal/server"
	"vast-mcp/internal/view"
	"vast-mcp/journal"
)

type policyCmd struct {
	Show  policyShowCmd  `cmd:"" default:"1" help:"Show the limits in force, who set them, and what is left (the default)."`
	Set   policySetCmd   `cmd:"" help:"Store the limit flags that stand beside it for this account: flags can only tighten them from then on."`
	Clear policyClearCmd `cmd:"" help:"Remove what was stored."`
}

type (
	policyShowCmd  struct{}
	policySetCmd   struct{}
	policyClearCmd struct{}
)

// Run shows the limits in force, and what is left of them where the API tells.
func (policyShowCmd) Run(ctx context.Context, s *session) error {
	app, err := s.app(callPace())
	if err != nil {
		return err
	}
	return errors.Join(s.showPolicy(ctx, app), app.Close())
}

func (s *session) showPolicy(ctx context.Context, app *server.App) error {
	in, err := app.InForce(ctx)
	if err != nil {
		_, _ = fmt.Fprintf(s.stderr, "vast-mcp: what is stored for this account could not be read, so only flags are shown: %v\n", err)
	}
	if _, err := fmt.Fprint(s.stdout, view.OfPolicy(in, s.globals.Sandbox).Text()); err != nil {
		return err
	}
	standing, err := app.Standing(ctx)
	if err != nil {
		return fmt.Errorf("what is used of them could not be read: %w", err)
	}
	_, err = fmt.Fprint(s.stdout, "\n"+view.OfBudget(standing, s.globals.Sandbox).Text())
	return err
}

// Run stores a ceiling. Only what was typed counts: a limit that happens to be
// in the environment is not meant.
func (policySetCmd) Run(ctx context.Context, s *session) error {
	limits := map[string]string{}
	for _, l := range s.globals.policy().Only(s.globals.typed).Limits() {
		limits[l.Name] = l.Value
	}
	mode := guard.Mode("")
	if slices.Contains(s.globals.typed, "approve") {
		mode = guard.Mode(s.globals.Approve)
	}
	if len(limits) == 0 && mode == "" {
		return usage("name the limits to store, for example vast-mcp policy set --daily-budget 10 --max-dollars-per-hour 1")
	}
	return s.withRealm(ctx, func(c server.Config, realm string) error {
		now, err := guard.SetCeiling(ctx, c.Journal, realm, guard.Ceiling{Limits: limits, Mode: mode, Key: c.Fingerprint})
		if err != nil {
			return err
		}
		lines := []string{"Stored for this account; programs that run already obey it at once:"}
		for _, name := range slices.Sorted(maps.Keys(now.Limits)) {
			lines = append(lines, fmt.Sprintf("  --%s %s", name, now.Limits[name]))
		}
		if now.Mode != "" {
			lines = append(lines, "  --approve "+string(now.Mode))
		}
		_, err = fmt.Fprintln(s.stdout, strings.Join(lines, "\n"))
		return err
	})
}

// Run removes the ceiling.
func (policyClearCmd) Run(ctx context.Context, s *session) error {
	return s.withRealm(ctx, func(c server.Config, realm string) error {
		if err := guard.ClearCeiling(ctx, c.Journal, realm); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.stdout, "Removed. Only the flags of each program hold now.")
		return err
	})
}

// withRealm does what changes the account's stored limits, which its owner must
// agree to.
func (s *session) withRealm(ctx context.Context, change func(c server.Config, realm string) error) error {
	c, err := s.config(callPace())
	if err != nil {
		return err
	}
	app, err := server.New(c)
	if err != nil {
		return &exit{exitUsage, err}
	}
	realm, err := app.Realm(ctx)
	if err == nil {
		err = s.ownerAgrees(ctx, c.Journal)
	}
	if err == nil {
		err = change(c, realm)
	}
	return errors.Join(err, app.Close())
}

// ownerAgrees fails unless the owner of the journal agrees to other limits: where
// an approver is set, by the passphrase.
func (*session) ownerAgrees(ctx context.Context, j *journal.Journal) error {
	set, err := guard.HasApprover(ctx, j)
	if err != nil || !set {
		return err
	}
	t, shut, err := controlling()
	if err != nil {
		return err
	}
	defer shut()
	passphrase, err := t.secret(ctx, askApprover)
	if err != nil {
		return err
	}
	return guard.Prove(ctx, j, passphrase)
}

// bound is the server under the account's ceiling: a flag or a variable that
// says explicitly what the ceiling does not allow is a mistake, or a try. What
// this does not find, because the account is not known yet, each judgement does.
func (s *session) bound(ctx context.Context, p pace) (*server.App, error) {
	app, err := s.app(p)
	if err != nil {
		return nil, err
	}
	said := s.globals.policy().Only(s.globals.given)
	mode := guard.Mode("")
	if slices.Contains(s.globals.given, "approve") {
		mode = guard.Mode(s.globals.Approve)
	}
	if len(said.Limits()) == 0 && mode == "" {
		return app, nil
	}
	ceiling, err := app.Ceiling(ctx)
	if err != nil {
		s.log.Warn("the journal cannot be read, so nothing can be rented", "err", err)
		return app, nil
	}
	looser, err := ceiling.Looser(said, mode)
	switch {
	case err != nil:
		return nil, errors.Join(usage("%w", err), app.Close())
	case len(looser) > 0:
		return nil, errors.Join(usage("%s: leave the flag out, or change what is stored with vast-mcp policy set", strings.Join(looser, "; ")), app.Close())
	}
	return app, nil
}
