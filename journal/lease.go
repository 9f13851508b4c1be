package journal

// Leases returns the last deadline that was granted for each instance that is
// rented, as far as the journal knows.
func (t *Tx) Leases() (map[int64]Lease, error) {
	all, err := many[Lease](t, `SELECT leases.body FROM leases JOIN intents ON intents.realm = leases.realm AND intents.nonce = leases.nonce
WHERE intents.realm = ? AND intents.state = ?`, t.realm, Rented)
	last := make(map[int64]Lease, len(all))
	for _, l := range all {
		if known, ok := last[l.Instance]; !ok || l.GrantedAt.After(known.GrantedAt) {
			last[l.Instance] = l
		}
	}
	return last, err
}
