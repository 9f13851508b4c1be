package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

type approverCmd struct {
	Set   approverSetCmd   `cmd:"" help:"Set or change the passphrase; it is read from the terminal."`
	Clear approverClearCmd `cmd:"" help:"Approve without a passphrase again."`
}

// askApprover is what the owner is asked.
const askApprover = "The approver's passphrase: "

type approverSetCmd struct{}

// Run asks for a passphrase, twice, and stores what proves it.
func (approverSetCmd) Run(ctx context.Context, s *session) error {
	return s.approver(ctx, func(t *terminal, j *journal.Journal, old []byte) (string, error) {
		fresh, err := t.secret(ctx, fmt.Sprintf("New passphrase (at least %d characters): ", guard.ShortestPassphrase))
		if err != nil {
			return "", err
		}
		again, err := t.secret(ctx, "The same again: ")
		if err != nil {
			return "", err
		}
		if !bytes.Equal(fresh, again) {
			return "", errors.New("these two are not the same: nothing was changed")
		}
		return "Set. From now on only this passphrase approves: vast-mcp approve QUOTE_ID, on a terminal.", guard.SetApprover(ctx, j, old, fresh)
	})
}

type approverClearCmd struct{}

// Run takes the passphrase out again.
func (approverClearCmd) Run(ctx context.Context, s *session) error {
	return s.approver(ctx, func(_ *terminal, j *journal.Journal, old []byte) (string, error) {
		return "Cleared. Quotes are approved as --approve says.", guard.ClearApprover(ctx, j, old)
	})
}

// approver changes the approver of the live journal or, with --sandbox, of the
// sandbox's. Whoever changes one that is set must know its passphrase.
func (s *session) approver(ctx context.Context, change func(*terminal, *journal.Journal, []byte) (string, error)) error {
	j, err := s.globals.journal()
	if err != nil {
		return err
	}
	defer func() { _ = j.Close() }()
	t, shut, err := controlling()
	if err != nil {
		return err
	}
	defer shut()
	set, err := guard.HasApprover(ctx, j)
	if err != nil {
		return err
	}
	var old []byte
	if set {
		if old, err = t.secret(ctx, askApprover); err != nil {
			return err
		}
	}
	said, err := change(t, j, old)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.stdout, said)
	return err
}
