package rental

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// sight is what a complete list shows of one order.
type sight struct {
	kept   vast.Instance   // what it rented, or that what it started runs; zero: nothing of the kind
	extras []journal.Extra // made by it beside that, or to no purpose
	why    string          // for people: what is wrong with the extras
}

const (
	// bornSlack is how much older than its plan a machine may look: both times
	// are the API's, but not of one of its clocks.
	bornSlack = time.Minute
	// youngFor is how long after its start a machine may be removed, which
	// nobody can have got used to. An older one is only stopped.
	youngFor = 30 * time.Minute
)

// sightOf finds the machines of in among rows, a complete list. What carries its
// nonce but was not made by the order had its label copied, and is left alone.
func sightOf(in journal.Intent, rows []vast.Instance, now time.Time) sight {
	var alive, dead []vast.Instance
	for _, row := range rows {
		switch {
		case !hasNonce(row, in.Nonce) || in.Kind == guard.KindCreate && (older(row, in) || !madeBy(row, in)):
		case in.Kind == guard.KindStart && (int64(row.ID) != in.Instance || !Running(row)):
		case in.Kind == guard.KindCreate && neverRan(row) && !holds(in, row):
			dead = append(dead, row)
		default:
			alive = append(alive, row)
		}
	}
	s := sight{why: "the order was carried out twice"}
	if len(alive) > 0 {
		s.kept = slices.MinFunc(alive, func(a, b vast.Instance) int {
			return cmp.Or(cmp.Compare(rank(a, in), rank(b, in)), cmp.Compare(a.ID, b.ID))
		})
	} else {
		s.why = "its machine never ran: the host did not start it"
	}
	for _, row := range append(alive, dead...) {
		if row.ID != s.kept.ID {
			s.extras = append(s.extras, extra(row, now))
		}
	}
	return s
}

// holds reports whether the row is what the caller of in was told of: that goes
// on, whatever becomes of it.
func holds(in journal.Intent, row vast.Instance) bool {
	return in.State == journal.Rented && int64(row.ID) == in.Instance
}

// rank puts the machine that the API named first, then those that run.
func rank(row vast.Instance, in journal.Intent) int {
	switch {
	case in.State != journal.Unknown && int64(row.ID) == in.Instance:
		return 0
	case Running(row):
		return 1
	}
	return 2
}

// older reports whether the row was there before the order.
func older(row vast.Instance, in journal.Intent) bool {
	return row.StartDate > 0 && startOf(row).Before(in.Began.Add(-bornSlack))
}

func startOf(row vast.Instance) time.Time { return unixTime(row.StartDate) }

// neverRan reports whether the row is what is left of a start that failed: a
// container that was made, or not even that, and is not meant to run.
func neverRan(row vast.Instance) bool {
	return !Running(row) && (row.Status == "" || row.Status == "created")
}

// madeBy reports whether it is certain that the order of in made the row, whose
// label may have been copied: its environment is as old as it is itself. An
// order by template carries none, so there the machine and the time must do.
func madeBy(row vast.Instance, in journal.Intent) bool {
	if slices.Contains(row.Env, [2]string{nonceEnv, in.Nonce}) {
		return true
	}
	return int64(row.MachineID) == in.Machine && (row.StartDate <= 0 || startOf(row).Sub(in.Began).Abs() < youngFor)
}

// extra is how the row is to be removed: one that somebody may use by now is
// only stopped.
func extra(row vast.Instance, now time.Time) journal.Extra {
	return journal.Extra{Instance: int64(row.ID), Stop: row.StartDate > 0 && now.Sub(startOf(row)) > youngFor}
}

// hasNonce reports whether the row is the rental with that nonce: by its label,
// or by its environment if somebody edited the label.
func hasNonce(row vast.Instance, nonce string) bool {
	_, tail, ok := ParseLabel(row.Label)
	return ok && tail.Nonce == nonce || !ok && slices.Contains(row.Env, [2]string{nonceEnv, nonce})
}

// nonceOf is the nonce that the row carries; empty when it is none of ours.
func nonceOf(row vast.Instance) string {
	if _, tail, ok := ParseLabel(row.Label); ok {
		return tail.Nonce
	}
	for _, pair := range row.Env {
		if pair[0] == nonceEnv {
			return pair[1]
		}
	}
	return ""
}

// stillIs reports whether the row is the rental of the intent: it carries its
// nonce, or somebody tidied the label away. Another tail is another rental.
func stillIs(row vast.Instance, in journal.Intent) bool {
	_, tail, ok := ParseLabel(row.Label)
	return hasNonce(row, in.Nonce) || int64(row.ID) == in.Instance && (!ok || tail.Nonce == in.Nonce)
}

// missing says why the rental of an intent is not among rows any more; it is
// empty when it is. A start writes a lease of its own, so that the machine goes
// on as what that call started.
func missing(in journal.Intent, rows []vast.Instance) string {
	why := gone
	for _, row := range rows {
		switch {
		case stillIs(row, in):
			return ""
		case int64(row.ID) == in.Instance:
			why = "it was started again under a new lease"
		}
	}
	return why
}

const gone = "it is gone"

// dearer reports whether the row costs more than was quoted. A price that is
// not known yet is not.
func dearer(row vast.Instance, quoted usd.Amount) bool {
	return row.PerHour > 0 && usd.Ceil(row.PerHour) > quoted.Add(guard.RateSlack(quoted))
}

// tooDear says which limit the row breaks among list, all that is there; it is
// empty when it breaks none. What was quoted is judged no more.
func tooDear(row vast.Instance, quoted usd.Amount, list []vast.Instance, p guard.Policy) string {
	if !dearer(row, quoted) {
		return ""
	}
	rate, total := usd.Ceil(row.PerHour), usd.Amount(0)
	for _, other := range list {
		if Running(other) {
			total = total.Add(usd.Ceil(other.PerHour))
		}
	}
	switch {
	case p.MaxPerHour != nil && dearer(row, *p.MaxPerHour):
		return fmt.Sprintf("it costs %s/h, and the owner allows %s/h for one instance", rate, *p.MaxPerHour)
	case p.MaxTotalPerHour != nil && total > p.MaxTotalPerHour.Add(guard.RateSlack(*p.MaxTotalPerHour)):
		return fmt.Sprintf("it costs %s/h, with which all that runs costs %s/h, and the owner allows %s/h", rate, total, *p.MaxTotalPerHour)
	}
	return ""
}
