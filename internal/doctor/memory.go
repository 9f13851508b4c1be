package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// memory is what the journal holds of the account.
type memory struct {
	blocked string // why it could not be asked; empty when it could
	fresh   bool   // there is none yet
	open    bool   // other users may read it, and it was left alone
	err     error  // it does not open
	chain   error  // it was damaged or edited
	events  int
	ceiling guard.Ceiling // the limits that are stored for the account
	beat    rental.Heartbeat

	unsettled []journal.Intent
	strangers []vast.Instance // rentals with a lease that it does not know
}

// errLooked ends a transaction without a trace.
var errLooked = errors.New("only looked")

// remember reads the journal in a transaction that is given up at the end.
// Opening one that is not there would make it, and opening one that others may
// read would make it private: both are left alone.
func (p Patient) remember(ctx context.Context, a answers) (m memory) {
	m.fresh, m.err = p.Journal.Fresh(ctx)
	switch {
	case m.err != nil:
		m.blocked = "the journal does not open"
		return m
	case m.fresh:
		m.strangers = strangers(a.list, func(string) bool { return false })
		return m
	case p.Journal.Path() != "" && openToOthers(p.Journal.Path()):
		m.open, m.blocked = true, "the journal was not opened"
		return m
	}
	err := p.Journal.Tx(ctx, a.realm, func(tx *journal.Tx) error {
		counting, err := tx.Counting()
		if err != nil {
			return err
		}
		ceiling, ceilingErr := guard.ReadCeiling(tx)
		beat, beatErr := rental.ReadHeartbeat(tx)
		m.ceiling, m.beat = ceiling, beat
		m.unsettled = slices.DeleteFunc(counting, settled)
		m.strangers = strangers(a.list, func(nonce string) bool {
			_, known, lookErr := tx.Intent(nonce)
			err = errors.Join(err, lookErr)
			return known
		})
		return errors.Join(err, ceilingErr, beatErr, errLooked)
	})
	if !errors.Is(err, errLooked) {
		m.err, m.blocked = err, "the journal does not open"
		return m
	}
	m.events, m.chain = p.follow(ctx)
	if a.realm == "" {
		m.blocked = "the account is not known"
	}
	return m
}

// follow walks the chains of all realms.
func (p Patient) follow(ctx context.Context) (events int, err error) {
	realms, err := p.Journal.Realms(ctx)
	if err != nil {
		return 0, err
	}
	for _, realm := range realms {
		for _, err := range p.Journal.Events(ctx, realm) {
			if err != nil {
				return events, err
			}
			events++
		}
	}
	return events, nil
}

// settled is what needs nothing more: a machine that was seen, and acts, whose
// outcome shows by itself.
func settled(in journal.Intent) bool {
	return in.State == journal.Rented || !guard.Rents(in)
}

func strangers(list []vast.Instance, known func(nonce string) bool) (all []vast.Instance) {
	for _, row := range list {
		if _, tail, ok := rental.ParseLabel(row.Label); ok && !known(tail.Nonce) {
			all = append(all, row)
		}
	}
	return all
}

func (p Patient) checkJournal(m memory) Check {
	const name = "journal"
	where := p.Journal.Name()
	switch {
	case m.fresh:
		return ok(name, "not there yet, made on first use: %s", where)
	case m.open:
		return warning(name, chmod("600", where), "other users may read %s; it was not opened", where)
	case m.err != nil && p.Journal.Path() == "":
		return wrong(name, "start it, or correct its URL; until then nothing is rented", "%s: %v", where, m.err)
	case m.err != nil:
		return wrong(name, "if it is damaged, move it away and a new one is made; if the folder is not fit, "+elsewhere, "%s: %v", where, m.err)
	case m.chain != nil:
		return wrong(name, "keep a copy, then move it away when no order is being settled; a new one is made", "%s: %v", where, m.chain)
	}
	opens := "it opens"
	if p.Journal.Path() == "" {
		opens += " with synchronous_commit on"
	}
	return ok(name, "%s, and its %d events are whole: %s", opens, m.events, where)
}

func (m memory) checkOrders() Check {
	const name = "orders"
	switch {
	case m.blocked != "":
		return skipped(name, m.blocked)
	case len(m.unsettled) == 0:
		return ok(name, "none is still being settled")
	}
	var all []string
	for _, in := range m.unsettled {
		all = append(all, fmt.Sprintf("%s (%s, %s/h)", in.Tool, in.State, in.Rate))
	}
	return warning(name, "do not rent again: repeat the same call, or look with list_instances",
		"%d still being settled: %s", len(all), strings.Join(all, ", "))
}

// checkReaper tells who ends leases when no server runs.
func (p Patient) checkReaper(m memory, a answers) Check {
	const name, start = "reaper", "run vast-mcp reap --watch on a machine that is always on, or vast-mcp reap by cron: see docs/leases.md"
	leased := slices.ContainsFunc(a.list, func(row vast.Instance) bool { return rental.Ours(row) && rental.Running(row) })
	switch {
	case m.blocked != "":
		return skipped(name, m.blocked)
	case m.beat.Fresh(p.Now()) && !m.beat.Able(p.Fingerprint):
		return warning(name, "give it this key, or one with instance_write", "vast-mcp reap was at work at %s with another key, which has not ended anything yet: whether it may is not known", m.beat.At.UTC().Format(time.RFC3339))
	case m.beat.Fresh(p.Now()):
		return ok(name, "vast-mcp reap was at work at %s", m.beat.At.UTC().Format(time.RFC3339))
	case !leased && m.beat.At.IsZero():
		return ok(name, "none was ever at work here, and no lease runs")
	case m.beat.At.IsZero():
		return warning(name, start, "none was ever at work here: leases end only while a server runs, or from inside the instance")
	}
	return warning(name, start, "vast-mcp reap worked last at %s", m.beat.At.UTC().Format(time.RFC3339))
}

func (m memory) checkOtherJournals(a answers) Check {
	const name = "other_journals"
	switch {
	case a.blocked != "":
		return skipped(name, a.blocked)
	case a.listErr != nil:
		return skipped(name, "the instances could not be listed")
	case m.blocked != "":
		return skipped(name, m.blocked)
	case len(m.strangers) == 0:
		return ok(name, "every rental with a lease is in this journal")
	}
	var ids []string
	for _, row := range m.strangers {
		ids = append(ids, fmt.Sprint(row.ID))
	}
	return warning(name, "use one --state-dir for all, or split the limits between them",
		"another vast-mcp works on this account without this journal: it rented %s. Orders in flight there do not count against the limits here", strings.Join(ids, ", "))
}
