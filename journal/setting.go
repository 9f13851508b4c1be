package journal

import "encoding/json"

// Own is the realm of what belongs to the journal itself and to no account.
const Own = ""

// Setting reads the realm's setting of that name into value; ok is false, and
// value untouched, when it was never put.
func (t *Tx) Setting(name string, value any) (ok bool, err error) {
	return t.setting(t.realm, name, value)
}

// OwnSetting is Setting of the journal itself, in a transaction of any realm.
func (t *Tx) OwnSetting(name string, value any) (ok bool, err error) {
	return t.setting(Own, name, value)
}

func (t *Tx) setting(realm, name string, value any) (ok bool, err error) {
	raw, ok, err := one[json.RawMessage](t, `SELECT body FROM settings WHERE realm = ? AND name = ?`, realm, name)
	if err != nil || !ok {
		return false, err
	}
	return true, json.Unmarshal(raw, value)
}

// PutSetting stores a setting of the realm, replacing an earlier one.
func (t *Tx) PutSetting(name string, value any) error {
	b, err := body(value)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO settings (realm, name, body) VALUES (?, ?, ?)
ON CONFLICT (realm, name) DO UPDATE SET body = excluded.body`, t.realm, name, b)
}
