package journal

// LeaseOn returns the last deadline that was granted for what is rented as that
// instance; ok is false when the journal knows of no such rental.
func (t *Tx) LeaseOn(instance int64) (l Lease, ok bool, err error) {
	all, err := many[Lease](t, `SELECT leases.body FROM leases JOIN intents ON intents.realm = leases.realm AND intents.nonce = leases.nonce
WHERE intents.realm = ? AND intents.instance = ? AND intents.state = ?`, t.realm, instance, Rented)
	for _, one := range all {
		if !ok || one.GrantedAt.After(l.GrantedAt) {
			l, ok = one, true
		}
	}
	return l, ok, err
}
