package doctor

import (
	"context"
	"errors"
	"iter"
	"time"

	"vast-mcp/internal/plain"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// answers is what the API said.
type answers struct {
	// blocked says why the API could not be asked about the account; empty
	// when it could. The check that found out tells more.
	blocked string

	user    vast.User
	userErr error
	list    []vast.Instance
	listErr error
	keys    []vast.SSHKey
	keysErr error

	chargesErr error

	date  time.Time     // of the API's first answer; zero when there was none
	ahead time.Duration // how far this machine's clock was ahead of it
	realm string        // what the journal calls the account; empty: not known
}

// ask asks the API once for each thing that the checks look at. It stops as
// soon as the rest could only fail in the same way.
func (p Patient) ask(ctx context.Context) answers {
	if p.Client == nil {
		return answers{blocked: "the API could not be asked"}
	}
	ctx, cancel := context.WithTimeout(ctx, apiShare)
	defer cancel()
	var a answers
	a.user, a.userErr = p.Client.Account.Current(ctx)
	if a.date = p.Client.ServerTime(); !a.date.IsZero() {
		a.ahead = p.Now().Sub(a.date)
	}
	switch {
	case errors.Is(a.userErr, vast.NoKey):
		a.blocked = "there is no API key"
	case a.userErr != nil && !errors.Is(a.userErr, vast.Denied):
		a.blocked = "the API does not answer as it should"
	}
	if a.blocked != "" {
		return a
	}
	a.list, a.listErr = p.Client.Instances.All(ctx)
	if a.userErr != nil && errors.Is(a.listErr, vast.Denied) {
		a.blocked = "the API does not accept the key"
		return a
	}
	a.keys, a.keysErr = p.Client.SSHKeys.List(ctx)
	a.chargesErr = firstCharge(ctx, p.Client, a.date)
	if a.userErr == nil || a.listErr == nil {
		a.realm = p.realm(a)
	}
	return a
}

// firstCharge tells whether the key may read what was charged.
func firstCharge(ctx context.Context, c *vast.Client, now time.Time) error {
	query := vast.ChargeQuery{From: now.Add(-24 * time.Hour), To: now, Types: []string{"instance"}}
	next, stop := iter.Pull2(c.Billing.Charges(ctx, query))
	defer stop()
	_, err, _ := next()
	return err
}

// realm names the account, without asking the API for it again.
func (p Patient) realm(a answers) string {
	if a.userErr != nil {
		return rental.RealmOfKey(p.Client.Origin(), p.Fingerprint)
	}
	return rental.RealmOf(p.Client.Origin(), a.user)
}

// said is the reason that err gives, in one line.
func said(err error) string {
	if failed, ok := errors.AsType[*vast.Error](err); ok && failed.Message != "" {
		return plain.Line(failed.Message, 200)
	}
	return plain.Line(err.Error(), 300)
}
