package faults_test

import (
	"maps"
	"sync"

	"vast-mcp/journal"
)

// intents are the journal's rows by their nonces. Its zero value is empty.
type intents struct {
	mu   sync.Mutex
	rows map[string]journal.Intent
}

// get returns the intent with that nonce, or the zero one.
func (i *intents) get(nonce string) journal.Intent {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.rows[nonce]
}

func (i *intents) put(in journal.Intent) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.rows == nil {
		i.rows = map[string]journal.Intent{}
	}
	i.rows[in.Nonce] = in
}

// all is a copy.
func (i *intents) all() map[string]journal.Intent {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.rows)
}
