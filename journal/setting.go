package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
)

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

// Settings returns the bodies of the settings of that name, by realm: for what
// is asked before the realm is known.
func (j *Journal) Settings(ctx context.Context, name string) (map[string]json.RawMessage, error) {
	realms, err := j.Realms(ctx)
	if err != nil {
		return nil, err
	}
	all, looked := map[string]json.RawMessage{}, errors.New("only looked")
	for _, realm := range realms {
		var inner error
		err := j.Tx(ctx, realm, func(tx *Tx) error {
			var raw json.RawMessage
			found, err := tx.Setting(name, &raw)
			if found {
				all[realm] = raw
			}
			inner = err
			return looked // so that a look writes nothing
		})
		if err := cmp.Or(inner, err); !errors.Is(err, looked) {
			return nil, err
		}
	}
	return all, nil
}
