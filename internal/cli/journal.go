package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"vast-mcp/journal"
	"vast-mcp/vast"
)

type journalCmd struct {
	Since   time.Duration `help:"Only events of the last, like 24h." placeholder:"TIME"`
	Kind    string        `help:"Only events of that kind, like quoted."`
	Subject string        `help:"Only events about that quote or rental."`
	Realm   string        `help:"Only events of that account."`
	Last    int           `help:"Only the last so many." placeholder:"N"`
	Verify  bool          `help:"Check every chain and print where it ends. Exit 1 at damage." noenv:""`
	JSON    bool          `name:"json" help:"Print a line of JSON for each event, as --check reads it."`
	Check   string        `help:"Check an export, - is stdin, without any journal." placeholder:"FILE" noenv:""`
}

// Validate refuses what does not go together. kong calls it after parsing.
func (c journalCmd) Validate() error {
	chosen := c.Since != 0 || c.Kind != "" || c.Subject != "" || c.Last != 0
	switch {
	case c.Since < 0 || c.Last < 0:
		return errors.New("--since and --last must not be negative")
	case c.Verify && (chosen || c.JSON):
		return errors.New("--verify checks whole chains: of the other flags it takes --realm only")
	case c.Check != "" && (chosen || c.JSON || c.Verify || c.Realm != ""):
		return errors.New("--check takes no other flag")
	}
	return nil
}

// Run shows what was quoted, approved and done. It needs no key.
func (c journalCmd) Run(ctx context.Context, s *session) error {
	if c.Check != "" {
		return c.check(s)
	}
	j, err := s.globals.journal()
	if err != nil {
		return err
	}
	fresh, err := j.Fresh(ctx)
	switch {
	case err != nil:
	case fresh:
		_, err = fmt.Fprintf(s.stderr, "vast-mcp: there is no journal yet: %s\n", j.Name())
	case c.Verify:
		err = c.verify(ctx, s.stdout, j)
	default:
		err = c.list(ctx, s.stdout, j, vast.SystemClock{}.Now())
	}
	return errors.Join(err, j.Close())
}

// list prints the events that were chosen, oldest first. Damage to a chain does
// not hide what comes after it, and is the error in the end.
func (c journalCmd) list(ctx context.Context, w io.Writer, j *journal.Journal, now time.Time) error {
	follow := follower{chains: map[string]*journal.Chain{}}
	out := &eventPrinter{w: w, json: c.JSON}
	var kept []journal.Event // the last ones, where only these are wanted
	for e, err := range j.History(ctx) {
		if err != nil {
			return err
		}
		follow.take(e)
		if !c.wants(e, now) {
			continue
		}
		if c.Last == 0 {
			if err := out.print(e); err != nil {
				return err
			}
			continue
		}
		if kept = append(kept, e); len(kept) > c.Last {
			kept = kept[1:]
		}
	}
	for _, e := range kept {
		if err := out.print(e); err != nil {
			return err
		}
	}
	return follow.damage
}

func (c journalCmd) wants(e journal.Event, now time.Time) bool {
	return (c.Kind == "" || c.Kind == e.Kind) && (c.Subject == "" || c.Subject == e.Subject) &&
		(c.Realm == "" || c.Realm == e.Realm) && (c.Since == 0 || !e.At.Before(now.Add(-c.Since)))
}

// follower looks at the chains of several realms side by side.
type follower struct {
	chains map[string]*journal.Chain // nil: damaged
	damage error
}

// take follows an event, up to the first damage of its realm.
func (f *follower) take(e journal.Event) {
	chain, known := f.chains[e.Realm]
	if !known {
		chain = &journal.Chain{}
		f.chains[e.Realm] = chain
	}
	if chain == nil {
		return
	}
	if err := chain.Follow(e); err != nil {
		f.damage, f.chains[e.Realm] = errors.Join(f.damage, err), nil
	}
}

// verify walks the chain of every realm that is wanted.
func (c journalCmd) verify(ctx context.Context, w io.Writer, j *journal.Journal) error {
	realms, err := j.Realms(ctx)
	if err != nil {
		return err
	}
	var damage error
	for _, realm := range realms {
		if c.Realm != "" && c.Realm != realm {
			continue
		}
		var head journal.Event
		for e, err := range j.Events(ctx, realm) {
			if err != nil {
				damage = errors.Join(damage, err)
				break
			}
			head = e
		}
		if err := sayHead(w, realm, head, 0); err != nil {
			return err
		}
	}
	return damage
}

func sayHead(w io.Writer, realm string, head journal.Event, missing int64) (err error) {
	switch {
	case head.Seq == 0:
		return nil
	case missing > 0:
		_, err = fmt.Fprintf(w, "%s: whole as far as it goes: %d of %d events, head %s\n", realmName(realm), head.Seq-missing, head.Seq, head.Hash)
	default:
		_, err = fmt.Fprintf(w, "%s: %d events, head %s\n", realmName(realm), head.Seq, head.Hash)
	}
	return err
}

// check verifies an export without a journal. One that holds only chosen events
// has gaps, in which it cannot tell what is missing: it counts them.
func (c journalCmd) check(s *session) error {
	in := s.stdin
	if c.Check != "-" {
		f, err := os.Open(c.Check)
		if err != nil {
			return usage("--check: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return checkExport(s.stdout, journal.Read(in))
}

func checkExport(w io.Writer, events iter.Seq2[journal.Event, error]) error {
	var order []string
	chains, missing := map[string]*journal.Chain{}, map[string]int64{}
	for e, err := range events {
		if err != nil {
			return err
		}
		if chains[e.Realm] == nil {
			chains[e.Realm] = &journal.Chain{}
			order = append(order, e.Realm)
		}
		more, err := chains[e.Realm].Jump(e)
		if err != nil {
			return err
		}
		missing[e.Realm] += more
	}
	for _, realm := range order {
		if err := sayHead(w, realm, chains[realm].Head(), missing[realm]); err != nil {
			return err
		}
	}
	return nil
}
