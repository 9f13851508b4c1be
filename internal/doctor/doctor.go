package doctor

import (
	"context"
	"time"

	"vast-mcp/guard"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// Patient is the vast-mcp that is looked at, as its flags and its environment
// describe it.
type Patient struct {
	Sandbox bool
	Key     Key
	// Client is nil where none could be made; ClientErr then says why.
	Client    *vast.Client
	ClientErr error
	// AddressFrom names the setting that the API's address comes from; empty
	// means that it is the built-in one.
	AddressFrom string
	Fingerprint string // of the API key, names the realm when the account cannot be read
	Policy      guard.Policy
	StateDir    string
	Journal     *journal.Journal // not opened yet
	Now         func() time.Time // wall clock
}

// Key says where the API key is, never what it is. The zero Key means that none
// was found.
type Key struct {
	From    string // the variable or the file that holds it
	Path    string // the file again; empty when it is in none
	Session bool   // of a login with two factors
	Err     error  // something was found that is no key
}

const (
	patience = 20 * time.Second // in all
	apiShare = 14 * time.Second // so that a dead network leaves time for the rest
)

// Examine runs every check, one after the other, within 20 seconds. It sends
// four requests, and one more for each further 25 instances. The caller closes
// the journal.
func Examine(ctx context.Context, p Patient) Report {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a := p.ask(ctx)
	m := p.remember(ctx, a)
	return newReport(
		p.checkKey(),
		p.checkAPI(a),
		p.checkClock(a),
		a.checkPermissions(),
		a.checkInstances(),
		m.checkOtherJournals(a),
		a.checkSSHKeys(),
		a.checkCredit(),
		p.checkPolicy(m),
		p.checkStateDir(),
		p.checkJournal(m),
		m.checkOrders(),
		p.checkReaper(m, a),
	)
}
