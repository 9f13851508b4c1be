package rental

import (
	"context"
	"fmt"
	"slices"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// Order is a rental or a start whose outcome nobody knew for a while, or that
// made something which is still to be removed. A machine may run for it and
// cost money as long as it is open.
type Order struct {
	Nonce    string
	State    journal.IntentState
	Instance int64      // what it rented or started; zero: nothing, or not known yet
	Removing []int64    // instances that are not seen gone yet
	PerHour  usd.Amount // if it runs
	Why      string     // for people: what is known
	Late     bool       // it had been given up
}

// Settle finds out what became of the orders that nobody knows the outcome of,
// by one complete list, and removes what they made in vain. It returns those that
// it could settle, those that turned up late among them, and those that are still
// open; these with an error too, when the list cannot be read. Any process of the same account
// may do it at any time.
func (d *Desk) Settle(ctx context.Context) (settled, open []Order, err error) {
	if !d.journal.Exists() {
		return nil, nil, nil
	}
	realm, err := d.Realm(ctx)
	if err != nil {
		return nil, nil, err
	}
	before, err := d.openNow(ctx, realm)
	if err != nil {
		return nil, nil, err
	}
	list, err := d.client.Instances.All(ctx)
	if err != nil {
		for _, in := range before {
			open = append(open, orderOf(in))
		}
		return nil, open, err
	}
	counting, err := d.reconcile(ctx, list, "")
	if err != nil {
		return nil, nil, err
	}
	for _, in := range counting {
		switch {
		case isOpen(in):
			open = append(open, orderOf(in))
		case in.Late && in.Told == "":
			settled = append(settled, orderOf(in))
		}
	}
	err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		for _, in := range before {
			in, _, err := tx.Intent(in.Nonce)
			if err != nil {
				return err
			}
			if !isOpen(in) {
				settled = append(settled, orderOf(in))
			}
		}
		return nil
	})
	return settled, open, err
}

// Remembers reports whether there is a record of what this program did, by which
// "nothing is open" means something.
func (d *Desk) Remembers() bool { return d.journal.Exists() }

func (d *Desk) openNow(ctx context.Context, realm string) (open []journal.Intent, err error) {
	err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		open, err = tx.Counting()
		return err
	})
	return slices.DeleteFunc(open, func(in journal.Intent) bool { return !isOpen(in) }), err
}

// Open is what [Desk.Settle] leaves open, by a complete list that was just read.
func (d *Desk) Open(ctx context.Context, list []vast.Instance) (open []Order, err error) {
	if !d.journal.Exists() {
		return nil, nil
	}
	counting, err := d.reconcile(ctx, list, "")
	for _, in := range counting {
		if isOpen(in) {
			open = append(open, orderOf(in))
		}
	}
	return open, err
}

func isOpen(in journal.Intent) bool {
	return guard.Rents(in) && in.State.Counts() && in.State != journal.Prepared && in.State != journal.Rented
}

func orderOf(in journal.Intent) Order {
	o := Order{Nonce: in.Nonce, State: in.State, Removing: removing(in), PerHour: in.Rate, Why: plain.Line(in.Why, 200), Late: in.Late}
	if in.State == journal.Rented || in.State == journal.Undoing && in.Kind == guard.KindCreate {
		o.Instance = in.Instance
	}
	if o.Why == "" && isOpen(in) {
		o.Why = "its machine is not seen yet"
	}
	return o
}

func removing(in journal.Intent) (ids []int64) {
	for _, e := range in.Extras {
		ids = append(ids, e.Instance)
	}
	return ids
}

// NotRented says that an order led to nothing that runs.
type NotRented struct {
	Why      string
	Removing []int64 // instances that it made and that are not seen gone yet
}

func (n *NotRented) Error() string {
	if len(n.Removing) == 0 {
		return "not rented: " + n.Why
	}
	return fmt.Sprintf("not rented: %s; being removed: %v", n.Why, n.Removing)
}
