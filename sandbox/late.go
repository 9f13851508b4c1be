package sandbox

import (
	"encoding/json"
	"slices"
	"time"
)

// lateCall is a request whose client has given up, and that takes effect all
// the same.
type lateCall struct {
	call
	due time.Time // of wall time
}

func (m *Market) runLater(c call, after time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.late = append(m.late, lateCall{call: c, due: m.wallNow().Add(after)})
	slices.SortStableFunc(m.late, func(a, b lateCall) int { return a.due.Compare(b.due) })
}

// commitLate lets what is due happen, each at its moment, and tells whether
// that changed the market. Nobody has to tick: whoever looks next sees it.
func (m *Market) commitLate(st *state, now time.Time) bool {
	changed := false
	for len(m.late) > 0 {
		next := m.late[0]
		at := st.now(next.due)
		if next.due.After(m.wallNow()) || at.After(now) {
			break
		}
		m.late = m.late[1:]
		m.play(st, at)
		_, did := m.handle(next.call, st, at)
		changed = changed || did
	}
	return changed
}

// someInstance is the one that an answer made or, failing that, the account's
// oldest, or a stranger's.
func (m *Market) someInstance(a answer) int64 {
	var made struct {
		ID int64 `json:"new_contract"`
	}
	if json.Unmarshal(a.body, &made) == nil && made.ID != 0 {
		return made.ID
	}
	id := int64(firstContract - 1)
	_ = m.transact(func(st *state, _ *world, _ time.Time) (bool, error) {
		if len(st.Contracts) > 0 {
			id = st.Contracts[0].ID
		}
		return false, nil
	}) // a stranger's will do
	return id
}
