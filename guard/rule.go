package guard

import "vast-mcp/journal"

// rules fills in whose the targets of q are, and who may approve it.
func (g *Guard) rules(tx *journal.Tx, c Call, q *Quote) (err error) {
	if q.Plan, err = own(tx, c, q.Plan); err != nil {
		return err
	}
	in, err := g.inForce(tx)
	if err != nil {
		return err
	}
	q.Mode, q.Sealed = in.Mode, in.Sealed
	q.Quiet, err = quiet(tx, c, q.Plan)
	q.Asks = (q.Mode == Client || q.Mode == Auto) && !q.Quiet
	return err
}

// rule is the approval mode as a quote is bound to it: setting or clearing an
// approver voids what was approved before.
func (q *Quote) rule() string { return rule(q.Mode, q.Sealed) }

func rule(m Mode, sealed bool) string {
	if sealed {
		return string(Operator) + ", passphrase"
	}
	return string(m)
}

// takesName reports whether the quote's id may be given back, in a program that
// was started with mode m. While an approver is set it approves nothing.
func (q *Quote) takesName(m Mode) bool { return m == Model && (q.Mode == Model || q.Sealed) }

// own tells the targets that are the caller's own from the others'. Who rented
// what is not known to be another's is the caller.
func own(tx *journal.Tx, c Call, p Plan) (Plan, error) {
	others := map[int64]bool{}
	for _, t := range p.Targets {
		caller, known, err := tx.CallerOf(t.Instance)
		if err != nil {
			return p, err
		}
		others[t.Instance] = known && caller != c.Caller
	}
	return p.disown(func(instance int64) bool { return others[instance] }), nil
}

// echo approves the quote that was named: in mode model by the caller, in mode
// auto by the guard itself. It is one path, so that the same limits hold.
func (g *Guard) echo(tx *journal.Tx, c Call, q Quote, row journal.Quote) (journal.Quote, error) {
	named, via := c.Named, ViaNamed
	if q.Mode == Auto && !q.Plan.foreign() && !q.Quiet {
		named, via = row.ID, ViaAuto
	}
	if named != row.ID || row.State != journal.Open || q.Sealed || q.Plan.Free {
		return row, nil
	}
	return answer(tx, row, Answer{Yes: true, Via: via})
}
