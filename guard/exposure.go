package guard

import (
	"context"
	"errors"
	"time"

	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// Need says what of an exposure costs a request of its own.
type Need struct {
	Credit, Charges bool
}

// Exposure is everything that runs on the account, as a complete list saw it.
type Exposure struct {
	At      time.Time // wall clock, when the list was read
	Now     time.Time // the API's clock then: budget days and leases run on it
	Rentals []Rental
	Credit  *usd.Amount // nil: not asked for, or not to be read
	Charges []Charge    // of the UTC day of Now; empty when not asked for or not to be read
	Unread  Need        // what was asked for and could not be read
}

// Rental is one instance of the account.
type Rental struct {
	Nonce    string // of its lease; empty when it carries none
	Instance int64
	Running  bool
	Rate     usd.Amount // dollars per hour while it runs
	DiskRate usd.Amount // dollars per hour while it is stopped
	Started  time.Time  // on the API's clock; zero: unknown
	Until    time.Time  // end of its lease; zero when it carries none
	OnExpiry string
	Traffic  usd.Amount // what its traffic has cost so far
}

// Charge is what was charged for one instance.
type Charge struct {
	Instance int64
	Nonce    string // of the lease in its label; empty when it carried none
	Amount   usd.Amount
}

// freshFor is how old a list may be that limits are judged by.
const freshFor = 10 * time.Second

// exposure reads what the limits in force are judged by, where p has any to be
// judged by. What costs a request of its own is asked for only where a limit
// needs it.
func (g *Guard) exposure(ctx context.Context, realm string, p Plan) (Exposure, error) {
	if !p.judged() {
		return Exposure{}, nil
	}
	var in InForce
	err := g.look(ctx, realm, func(tx *journal.Tx) (err error) {
		in, err = g.inForce(tx)
		return err
	})
	if err != nil {
		return Exposure{}, err
	}
	return g.world.Exposure(ctx, Need{Credit: in.Policy.KeepCredit != nil, Charges: in.Policy.DailyBudget != nil})
}

// errLooked ends a transaction without a trace.
var errLooked = errors.New("only looked")

// look reads in a transaction that is given up at its end, which costs no
// writing.
func (g *Guard) look(ctx context.Context, realm string, read func(*journal.Tx) error) (err error) {
	lost := g.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		err = read(tx)
		return errLooked
	})
	if !errors.Is(lost, errLooked) {
		return lost
	}
	return err
}
