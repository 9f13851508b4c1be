package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
)

// apiKey is a key of the account beside its main key.
type apiKey struct {
	ID          int64           `json:"id"`
	Name        string          `json:"name"`
	Key         string          `json:"key"`
	Permissions json.RawMessage `json:"permissions"` // false: all
	Params      json.RawMessage `json:"params,omitempty"`
	CreatedAt   float64         `json:"created_at"`
}

// apiKeyRow is a key as the API lists it, without the key itself.
type apiKeyRow struct {
	ID          int64           `json:"id"`
	Name        string          `json:"name"`
	UserID      int64           `json:"user_id"`
	Permissions json.RawMessage `json:"permissions"`
	Rights      string          `json:"rights"` // the same in a string
	TeamID      *int64          `json:"team_id"`
	TeamName    *string         `json:"team_name"`
	KeyParams   json.RawMessage `json:"key_params"`
	CreatedAt   float64         `json:"created_at"`
}

func apiKeyRoutes() []route {
	const all, one = "/api/v0/auth/apikeys/", "/api/v0/auth/apikeys/{id}/"
	return []route{
		{method: http.MethodGet, path: all, op: "apikeys", access: inUserRead, handle: (*tx).listAPIKeys},
		{method: http.MethodPost, path: all, op: "apikey_create", access: inUserWrite, writes: true, handle: (*tx).createAPIKey},
		{method: http.MethodGet, path: one, op: "apikey", access: inUserRead, handle: (*tx).getAPIKey},
		{method: http.MethodDelete, path: one, op: "apikey_delete", access: inUserWrite, writes: true, handle: (*tx).deleteAPIKey},
		{method: http.MethodPut, path: "/api/v0/commands/reset_apikey/", op: "apikey_reset", access: inUserWrite, writes: true, handle: (*tx).resetAPIKey},
	}
}

// mainKey is the account's key: the one that the market was opened with, or
// what replaced it.
func (st *state) mainKey(opened string) string {
	key := opened
	for range st.Account.Resets {
		key = cmp.Or(st.Account.Resets[key], key)
	}
	return key
}

func (k *apiKey) grants() grants {
	g, err := parseGrants(k.Permissions)
	if err != nil {
		return grants{"api": map[string]any{"none": nil}} // the stored file was tampered with
	}
	return g
}

// params are the values that stand for names in the key's constraints. They
// come as an object or as one in a string.
func (k *apiKey) params() map[string]any {
	raw := []byte(k.Params)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = []byte(text)
	}
	var params map[string]any
	_ = json.Unmarshal(raw, &params) // without them the names stand for nothing
	return params
}

func (k *apiKey) row(team *team) apiKeyRow {
	row := apiKeyRow{
		ID: k.ID, Name: k.Name, UserID: userID, Permissions: k.Permissions, Rights: string(k.Permissions),
		KeyParams: k.Params, CreatedAt: k.CreatedAt,
	}
	if team != nil && team.Key == k.ID {
		row.TeamID, row.TeamName = &team.ID, &team.Name
	}
	return row
}

// apiKeys are all keys, the main key first.
func (t *tx) apiKeys() []apiKey {
	main := apiKey{ID: keyID, Name: "main", Permissions: json.RawMessage("false"), CreatedAt: unix(t.st.Born)}
	return append([]apiKey{main}, t.st.Account.APIKeys...)
}

// listAPIKeys answers GET /auth/apikeys/.
func (t *tx) listAPIKeys() answer {
	rows := []apiKeyRow{}
	for _, k := range t.apiKeys() {
		rows = append(rows, k.row(t.st.Account.Team))
	}
	return reply(map[string]any{"apikeys": rows})
}

// onlyMsg is the refusal of routes that give no code.
func onlyMsg(status int, msg string) answer {
	a := reply(map[string]string{"msg": msg})
	a.status = status
	return a
}

// getAPIKey answers GET /auth/apikeys/{id}/.
func (t *tx) getAPIKey() answer {
	id, _ := t.id()
	for _, k := range t.apiKeys() {
		if k.ID == id {
			return reply(k.row(t.st.Account.Team))
		}
	}
	return onlyMsg(http.StatusNotFound, "API key not found")
}

// unrestricted refuses keys with a scope: they may not make others, for those
// could do more.
func (t *tx) unrestricted() (answer, bool) {
	if t.key == nil || t.key.grants() == nil {
		return answer{}, true
	}
	return refuse(http.StatusForbidden, "auth_error", "Only an unrestricted key may do this."), false
}

// createAPIKey answers POST /auth/apikeys/, the only answer that tells the
// key.
func (t *tx) createAPIKey() answer {
	if refusal, ok := t.unrestricted(); !ok {
		return refusal
	}
	var in struct {
		Name        string          `json:"name"`
		Permissions json.RawMessage `json:"permissions"`
		Params      json.RawMessage `json:"key_params"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if in.Permissions == nil || bytes.Equal(in.Permissions, []byte("null")) {
		return refuse(http.StatusBadRequest, "missing_permissions", "Please provide permissions for the key.")
	}
	if _, err := parseGrants(in.Permissions); err != nil {
		return refuse(http.StatusBadRequest, "invalid_permissions", err.Error())
	}
	id := keyID + t.st.Account.serial()
	k := apiKey{
		ID: id, Name: in.Name, Key: secret(t.st.Seed, "api key", id),
		Permissions: in.Permissions, Params: in.Params, CreatedAt: unix(t.now),
	}
	t.st.Account.APIKeys = append(t.st.Account.APIKeys, k)
	return reply(map[string]any{"id": k.ID, "key": k.Key, "permissions": k.Permissions})
}

// deleteAPIKey answers DELETE /auth/apikeys/{id}/ with a bare string.
func (t *tx) deleteAPIKey() answer {
	id, ok := t.id()
	if !ok {
		return onlyMsg(http.StatusBadRequest, "Invalid API key id")
	}
	if id == keyID {
		return onlyMsg(http.StatusForbidden, "The main key can only be reset.")
	}
	keys := t.st.Account.APIKeys
	i := slices.IndexFunc(keys, func(k apiKey) bool { return k.ID == id })
	if i < 0 {
		return onlyMsg(http.StatusNotFound, "API key not found")
	}
	t.st.Account.APIKeys = slices.Delete(keys, i, i+1)
	return reply("Successfully Deleted API Key")
}

// resetAPIKey answers PUT /commands/reset_apikey/: the main key is another
// one from now on.
func (t *tx) resetAPIKey() answer {
	if refusal, ok := t.unrestricted(); !ok {
		return refusal
	}
	key := secret(t.st.Seed, "main key", t.st.Account.serial())
	if t.st.Account.Resets == nil {
		t.st.Account.Resets = map[string]string{}
	}
	t.st.Account.Resets[t.st.mainKey(t.m.key)] = key
	return reply(map[string]any{"success": true, "new_api_key": key})
}
