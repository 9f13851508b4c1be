package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vast-mcp/journal"
	"vast-mcp/rental"
)

type settleCmd struct{}

// settleWithin is how long the API may take.
const settleWithin = time.Minute

// Run finds out what became of orders whose answer was lost, once. It exits 1
// when something is still open.
func (settleCmd) Run(ctx context.Context, s *session) error {
	app, err := s.app(callPace())
	if err != nil {
		return err
	}
	looking, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	settled, open, failed := app.Settle(looking)
	if err := app.Close(); err != nil {
		return errors.Join(failed, err)
	}
	for _, o := range settled {
		_, _ = fmt.Fprintf(s.stdout, "settled  %s  %s\n", o.Nonce, outcome(o))
	}
	for _, o := range open {
		_, _ = fmt.Fprintf(s.stdout, "open     %s  %s\n", o.Nonce, pending(o))
	}
	if failed != nil {
		return failed
	}
	if len(open) == 0 {
		_, err := fmt.Fprintln(s.stdout, "Nothing is open: of every order it is known what became of it.")
		return err
	}
	_, _ = fmt.Fprintln(s.stdout, "Run this again in half a minute. Until then these orders count against the limits.")
	return &exit{code: exitError}
}

// outcome says what became of an order.
func outcome(o rental.Order) string {
	switch o.State { //nolint:exhaustive // the others are open
	case journal.Rented:
		if o.Late {
			return fmt.Sprintf("turned up after it had been given up: instance %d at %s/h", o.Instance, o.PerHour)
		}
		return fmt.Sprintf("rented: instance %d at %s/h", o.Instance, o.PerHour)
	case journal.Ended:
		return "ended: " + o.Why
	}
	return "not rented: " + cmp.Or(o.Why, "refused")
}

// pending says what is known of an order that is open.
func pending(o rental.Order) string {
	if len(o.Removing) > 0 {
		return fmt.Sprintf("not yet removed: instance %s at %s/h: %s", strings.Trim(fmt.Sprint(o.Removing), "[]"), o.PerHour, o.Why)
	}
	return fmt.Sprintf("%s/h if it runs: %s", o.PerHour, o.Why)
}
