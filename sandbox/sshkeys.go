package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// sshKey is a public key of the account, or one attached to an instance. The
// API doesn't look into it.
type sshKey struct {
	ID        int64   `json:"id"`
	PublicKey string  `json:"public_key"`
	CreatedAt float64 `json:"created_at"`
}

// sshKeyRow is a key as the API lists it.
type sshKeyRow struct {
	ID         int64    `json:"id"`
	UserID     int64    `json:"user_id"`
	Default    *bool    `json:"default"`
	PublicKey  string   `json:"public_key"`
	PrivateKey *string  `json:"private_key"`
	CreatedAt  float64  `json:"created_at"`
	DeletedAt  *float64 `json:"deleted_at"`
}

func rowsOf(keys []sshKey) []sshKeyRow {
	rows := make([]sshKeyRow, 0, len(keys))
	for _, k := range keys {
		rows = append(rows, k.row())
	}
	return rows
}

func (k sshKey) row() sshKeyRow {
	return sshKeyRow{ID: k.ID, UserID: userID, PublicKey: k.PublicKey, CreatedAt: k.CreatedAt}
}

func noSSHKey() answer { return refuse(http.StatusBadRequest, "no_ssh_key", "No ssh key provided") }

func indexOfKey(keys []sshKey, id int64) int {
	return slices.IndexFunc(keys, func(k sshKey) bool { return k.ID == id })
}

// keyText is the key in the request's body.
func (t *tx) keyText() (string, answer, bool) {
	var in struct {
		SSHKey string `json:"ssh_key"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return "", badJSON(), false
	}
	text := strings.TrimSpace(strings.ReplaceAll(in.SSHKey, "\x00", ""))
	if text == "" {
		return "", noSSHKey(), false
	}
	return text, answer{}, true
}

func (t *tx) newKey(text string) sshKey {
	k := sshKey{ID: t.st.NextKey, PublicKey: text, CreatedAt: unix(t.now)}
	t.st.NextKey++
	return k
}

// listKeys answers GET /ssh/ with a bare array.
func (t *tx) listKeys() answer { return reply(rowsOf(t.st.SSHKeys)) }

// addKey answers POST /ssh/. The same key twice is two keys.
func (t *tx) addKey() answer {
	text, refusal, ok := t.keyText()
	if !ok {
		return refusal
	}
	k := t.newKey(text)
	t.st.SSHKeys = append(t.st.SSHKeys, k)
	return reply(map[string]any{"success": true, "key": k.row()})
}

// updateKey answers PUT /ssh/{id}/.
func (t *tx) updateKey() answer {
	text, refusal, ok := t.keyText()
	if !ok {
		return refusal
	}
	id, _ := t.number(0)
	i := indexOfKey(t.st.SSHKeys, id)
	if i < 0 {
		return noSSHKey()
	}
	t.st.SSHKeys[i].PublicKey = text
	return reply(map[string]any{"success": true, "key": t.st.SSHKeys[i].row()})
}

// deleteKey answers DELETE /ssh/{id}/.
func (t *tx) deleteKey() answer {
	id, ok := t.number(0)
	if !ok {
		return refuse(http.StatusBadRequest, "invalid_request", "Invalid ssh key id")
	}
	i := indexOfKey(t.st.SSHKeys, id)
	if i < 0 {
		return noSSHKey()
	}
	t.st.SSHKeys = slices.Delete(t.st.SSHKeys, i, i+1)
	return success()
}

// listInstanceKeys answers GET /instances/{id}/ssh/: JSON in a JSON string.
func (t *tx) listInstanceKeys() answer {
	c, refusal, ok := t.instance()
	if !ok {
		return refusal
	}
	return reply(map[string]any{"success": true, "ssh_keys": string(encode(rowsOf(c.SSHKeys)))})
}

// attachKey answers POST /instances/{id}/ssh/. Attaching again changes
// nothing.
func (t *tx) attachKey() answer {
	c, refusal, ok := t.instance()
	if !ok {
		return refusal
	}
	text, refusal, ok := t.keyText()
	if !ok {
		return refusal
	}
	same := func(k sshKey) bool { return k.PublicKey == text }
	if !slices.ContainsFunc(c.SSHKeys, same) {
		i := slices.IndexFunc(t.st.SSHKeys, same)
		if i >= 0 {
			c.SSHKeys = append(c.SSHKeys, t.st.SSHKeys[i])
		} else {
			c.SSHKeys = append(c.SSHKeys, t.newKey(text))
		}
	}
	return reply(outcome{Success: true, Msg: "SSH key attached successfully"})
}

// detachKey answers DELETE /instances/{id}/ssh/{key_id}/.
func (t *tx) detachKey() answer {
	c, refusal, ok := t.instance()
	if !ok {
		return refusal
	}
	id, ok := t.number(1)
	if !ok {
		return refuse(http.StatusBadRequest, "invalid_request", "Invalid ssh key id")
	}
	i := indexOfKey(c.SSHKeys, id)
	if i < 0 {
		return refuse(http.StatusNotFound, "no_such_ssh_key", "No such SSH key on the instance.")
	}
	c.SSHKeys = slices.Delete(c.SSHKeys, i, i+1)
	return reply(outcome{Success: true, Msg: "SSH key removed from instance."})
}
