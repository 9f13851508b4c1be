package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

type approveCmd struct {
	Quote string `arg:"" help:"The code that the quote shows, or its id."`
}

type denyCmd struct {
	Quote string `arg:"" help:"The code that the quote shows, or its id."`
}

type approvalsCmd struct{}

// Run approves a quote, after showing what it would do.
func (c approveCmd) Run(ctx context.Context, s *session) error {
	if err := s.codesOpen(ctx, c.Quote); err != nil {
		return err
	}
	w, err := s.named(ctx, c.Quote)
	switch {
	case err != nil:
		return err
	case w.Sealed:
		return s.approveSealed(ctx, w)
	}
	if err := w.show(s.stdout); err != nil {
		return err
	}
	if yes, err := s.confirmed(ctx); err != nil || !yes {
		return s.notApproved(err)
	}
	return s.record(ctx, w, true)
}

// Run denies a quote. A no needs no passphrase.
func (c denyCmd) Run(ctx context.Context, s *session) error {
	w, err := s.named(ctx, c.Quote)
	if err != nil {
		return err
	}
	if err := w.show(s.stdout); err != nil {
		return err
	}
	return s.record(ctx, w, false)
}

// Run lists what waits.
func (approvalsCmd) Run(ctx context.Context, s *session) error {
	found, err := s.waiting(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		_, err = fmt.Fprintln(s.stdout, "Nothing waits for approval.")
		return err
	}
	for _, w := range found {
		if err := w.show(s.stdout); err != nil {
			return err
		}
	}
	return nil
}

// waitingIn is a waiting quote and the journal it stands in.
type waitingIn struct {
	guard.Waiting

	journal *journal.Journal
}

// waiting reads the live and the sandbox journal. Neither needs a key.
func (s *session) waiting(ctx context.Context) ([]waitingIn, error) {
	journals, err := s.globals.journals()
	if err != nil {
		return nil, err
	}
	var all []waitingIn
	for _, j := range journals {
		found, err := guard.ListWaiting(ctx, j, vast.SystemClock{}.Now())
		if err != nil {
			// The other journal is still good.
			_, _ = fmt.Fprintf(s.stderr, "vast-mcp: %s cannot be read and is left out: %v\n", j.Name(), err)
			continue
		}
		for _, w := range found {
			all = append(all, waitingIn{Waiting: w, journal: j})
		}
	}
	return all, nil
}

// isID tells the id of a quote from a code.
func isID(name string) bool { return strings.HasPrefix(name, "q_") }

// codesOpen fails while codes cannot be used: they are short, and somebody tried
// many. It says the same whether this one is right.
func (s *session) codesOpen(ctx context.Context, name string) error {
	journals, err := s.globals.journals()
	if err != nil || isID(name) {
		return err
	}
	for _, j := range journals {
		if err := guard.CodesLocked(ctx, j); errors.Is(err, guard.ErrLocked) {
			return fmt.Errorf("codes: %w; approve by the quote's id, which the result of the call has", err)
		}
	}
	return nil
}

// named finds what waits under a code or an id. A name that finds nothing is
// counted.
func (s *session) named(ctx context.Context, name string) (waitingIn, error) {
	all, err := s.waiting(ctx)
	if err != nil {
		return waitingIn{}, err
	}
	for _, w := range all {
		if w.ID == strings.TrimSpace(name) || w.Code != "" && w.Code == guard.NormalCode(name) {
			return w, nil
		}
	}
	journals, err := s.globals.journals()
	for _, j := range journals {
		if lost := guard.WrongName(ctx, j); lost != nil && !errors.Is(lost, guard.ErrLocked) {
			s.log.Warn("a wrong code could not be counted", "journal", j.Name(), "err", lost)
		}
	}
	return waitingIn{}, errors.Join(err, errors.New("no quote with that code or id waits here: it may have expired, been used or denied, or stand in another --state-dir; vast-mcp approvals lists what waits"))
}

// approveSealed asks for the passphrase where the plan is shown: on the terminal
// itself, whatever stands between it and our streams.
func (s *session) approveSealed(ctx context.Context, w waitingIn) error {
	t, shut, err := controlling()
	if err != nil {
		return fmt.Errorf("an approver is set: %w", err)
	}
	defer shut()
	if err := w.show(t.out); err != nil {
		return err
	}
	passphrase, err := t.secret(ctx, "Approve this with the passphrase, or just press Enter: ")
	if err != nil || len(passphrase) == 0 {
		return s.notApproved(err)
	}
	if err := guard.ApproveWaiting(ctx, w.journal, w.Waiting, passphrase); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.stdout, approved)
	return err
}

const approved = "Approved. The same call, made again, goes ahead now."

func (s *session) notApproved(why error) error {
	_, err := fmt.Fprintln(s.stdout, "Not approved. Nothing was changed.")
	return errors.Join(&exit{code: exitError, err: why}, err)
}

func (s *session) record(ctx context.Context, w waitingIn, yes bool) error {
	err := guard.AnswerWaiting(ctx, w.journal, w.Waiting, guard.Answer{Yes: yes, Via: guard.ViaCommand, OutBand: true})
	if err != nil {
		return err
	}
	said := "Denied. The quote is void."
	if yes {
		said = approved
	}
	_, err = fmt.Fprintln(s.stdout, said)
	return err
}

// confirmed asks on a terminal. Where there is none, running the command was the
// answer.
func (s *session) confirmed(ctx context.Context) (bool, error) {
	in, ok := s.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return true, nil
	}
	return newTerminal(in, s.stdout).yes(ctx, "Approve this?")
}

// show prints the plan's own facts: what an agent said about it does not count.
func (w waitingIn) show(out io.Writer) error {
	p, state := w.Plan, "waits"
	if ofSandbox(w.Realm) {
		p.Summary += " (sandbox: no real money)"
	}
	if w.Approved {
		state = "is approved and waits for the call"
	}
	_, err := fmt.Fprintf(out, "%s  %s  %-10s %s, %s; %s until %s\n", cmp.Or(w.Code, w.ID), p.Text(), "asked by",
		plain.Line(w.Caller, longestName), plain.Line(w.Tool, longestName), state, w.ExpiresAt.Local().Format(time.TimeOnly))
	return err
}

// longestName bounds what is shown of who asks.
const longestName = 80
