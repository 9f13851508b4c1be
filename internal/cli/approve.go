package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"vast-mcp/guard"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

type approveCmd struct {
	Code string `arg:"" help:"The code that the quote shows."`
}

type denyCmd struct {
	Code string `arg:"" help:"The code that the quote shows."`
}

type approvalsCmd struct{}

// viaCommand is what the journal says of an approval on the command line. An
// agent with a shell could have typed it, so it is not called a person.
const viaCommand = "command, same user"

// Run approves a quote, after showing what it would do.
func (c approveCmd) Run(ctx context.Context, s *session) error { return s.answer(ctx, c.Code, true) }

// Run denies a quote.
func (c denyCmd) Run(ctx context.Context, s *session) error { return s.answer(ctx, c.Code, false) }

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
	dir, err := s.globals.stateDir()
	if err != nil {
		return nil, err
	}
	clock := vast.SystemClock{}
	journals, err := s.globals.journals(dir, clock)
	if err != nil {
		return nil, err
	}
	var all []waitingIn
	for _, j := range journals {
		found, err := guard.ListWaiting(ctx, j, clock.Now())
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

func (s *session) answer(ctx context.Context, code string, yes bool) error {
	all, err := s.waiting(ctx)
	if err != nil {
		return err
	}
	for _, w := range all {
		if w.Code != guard.NormalCode(code) {
			continue
		}
		if err := w.show(s.stdout); err != nil {
			return err
		}
		if yes && !s.confirm() {
			_, err := fmt.Fprintln(s.stdout, "Not approved. Nothing was changed.")
			return errors.Join(&exit{code: exitError}, err)
		}
		return s.record(ctx, w, yes)
	}
	return errors.New("no quote with that code waits here: it may have expired, been used or denied, or stand in another --state-dir; vast-mcp approvals lists what waits")
}

func (s *session) record(ctx context.Context, w waitingIn, yes bool) error {
	err := guard.AnswerWaiting(ctx, w.journal, w.Waiting, guard.Answer{Yes: yes, Via: viaCommand, OutBand: true})
	if err != nil {
		return err
	}
	said := "Denied. The quote is void."
	if yes {
		said = "Approved. The same call, made again, goes ahead now."
	}
	_, err = fmt.Fprintln(s.stdout, said)
	return err
}

// confirm asks on a terminal. Where there is none, running the command was the
// answer.
func (s *session) confirm() bool {
	in, ok := s.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return true
	}
	_, _ = fmt.Fprint(s.stdout, "Approve this? [y/N] ")
	line, err := bufio.NewReader(in).ReadString('\n')
	word := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (word == "y" || word == "yes")
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
	_, err := fmt.Fprintf(out, "%s  %s  %-10s %s, %s; %s until %s\n", w.Code, p.Text(), "asked by", w.Caller, w.Tool, state, w.ExpiresAt.Local().Format(time.TimeOnly))
	return err
}
