package sandbox

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	maxEmail    = 64
	maxPassword = 256
)

// transferEntry is an entry of the ledger that is no meter: credit that was
// given away.
const transferEntry = "transfer"

// leastTransfer is a cent, in micro-dollars.
const leastTransfer = 10_000

// subaccount is one that the account made. Nobody can log in to it here.
type subaccount struct {
	ID        int64    `json:"id"`
	Email     string   `json:"email"`
	Username  string   `json:"username"`
	ParentID  int64    `json:"parent_id"`
	KeyID     int64    `json:"key_id"`
	HostOnly  bool     `json:"host_only"`
	CreatedAt float64  `json:"created_at"`
	DeletedAt *float64 `json:"deleted_at"`
}

func userRoutes() []route {
	return []route{
		{method: http.MethodPut, path: "/api/v0/users/", op: "user_update", access: inUserWrite, writes: true, handle: (*tx).updateUser},
		{method: http.MethodPost, path: "/api/v0/users/", op: "subaccount_create", access: inUserWrite, writes: true, handle: (*tx).createSubaccount},
		{method: http.MethodGet, path: "/api/v0/subaccounts/", op: "subaccounts", access: inUserRead, handle: (*tx).listSubaccounts},
		{method: http.MethodPut, path: "/api/v0/commands/transfer_credit/", op: "transfer_credit", access: inBillingWrite, writes: true, handle: (*tx).transferCredit},
		{method: http.MethodGet, path: "/api/v0/users/cloud_integrations/", op: "connections", access: inUserRead, handle: (*tx).listConnections},
		{method: http.MethodGet, path: "/api/v0/users/me/machine-earnings/", op: "earnings", access: inBillingRead, handle: (*tx).listEarnings},
		{method: http.MethodGet, path: "/api/v0/tfa/status/", op: "tfa_status", access: inUserRead, handle: (*tx).tfaStatus},
	}
}

// profileFields are what PUT /users/ changes; it passes over all else.
func profileFields() []string {
	return []string{
		"username", "fullname", "ssh_key", "autobill_threshold", "autobill_amount", "balance_threshold", "balance_threshold_enabled",
		"phone_number", "paypal_email", "wise_email", "billaddress_line1", "billaddress_line2", "billaddress_city",
		"billaddress_zip", "billaddress_country", "billaddress_taxinfo",
	}
}

// updateUser answers PUT /users/.
func (t *tx) updateUser() answer {
	var in map[string]json.RawMessage
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	changed := map[string]json.RawMessage{}
	for _, name := range profileFields() {
		if value, ok := in[name]; ok {
			changed[name] = unquoted(name, value)
		}
	}
	if json.Unmarshal(encode(changed), new(userRow)) != nil {
		return invalidArgs("Invalid args: a field has a value of the wrong kind")
	}
	if t.st.Account.Profile == nil {
		t.st.Account.Profile = map[string]json.RawMessage{}
	}
	maps.Copy(t.st.Account.Profile, changed)
	return success()
}

// unquoted is the number or flag in a string, which the client's documentation
// asks for in these fields.
func unquoted(name string, value json.RawMessage) json.RawMessage {
	inside := json.RawMessage(strings.Trim(string(value), `"`))
	if (strings.HasPrefix(name, "balance_") || strings.HasPrefix(name, "autobill_")) && json.Valid(inside) {
		return inside
	}
	return value
}

// createSubaccount answers POST /users/.
func (t *tx) createSubaccount() answer {
	var in struct {
		Email, Username, Password string
		HostOnly                  bool `json:"host_only"`
	}
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	at := strings.LastIndexByte(in.Email, '@')
	switch {
	case at < 1 || at == len(in.Email)-1 || len(in.Email) > maxEmail || strings.HasPrefix(in.Email[at:], "@vast."):
		return refuse(http.StatusBadRequest, "invalid_email", "Please provide a valid email.")
	case in.Username == "" || in.Password == "":
		return refuse(http.StatusBadRequest, "missing_auth_value", "Please provide a username and a password.")
	case len(in.Password) > maxPassword:
		return refuse(http.StatusBadRequest, "invalid_request", "The password is too long.")
	case t.userExists(in.Email, in.Username):
		return refuse(http.StatusConflict, "user_exists", "There is a user with this email or username already.")
	}
	n := t.st.Account.serial()
	sub := subaccount{
		ID: userID + n, Email: in.Email, Username: in.Username, ParentID: userID, KeyID: keyID + t.st.Account.serial(),
		HostOnly: in.HostOnly, CreatedAt: unix(t.now),
	}
	t.st.Account.Subaccounts = append(t.st.Account.Subaccounts, sub)
	return reply(map[string]any{"id": sub.ID, "username": sub.Username, "email": sub.Email, "key_id": sub.KeyID})
}

func (t *tx) userExists(mail, name string) bool {
	me := t.user()
	return strings.EqualFold(mail, me.Email) || name == me.Username ||
		slices.ContainsFunc(t.st.Account.Subaccounts, func(s subaccount) bool {
			return strings.EqualFold(mail, s.Email) || name == s.Username
		})
}

// listSubaccounts answers GET /subaccounts/.
func (t *tx) listSubaccounts() answer {
	return reply(map[string]any{"users": append([]subaccount{}, t.st.Account.Subaccounts...)})
}

// transferCredit answers PUT /commands/transfer_credit/. What is sent is gone
// from the sandbox, whoever gets it.
func (t *tx) transferCredit() answer {
	var in struct {
		Sender    string
		Recipient any
		Amount    float64
	}
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	refused := func(code, msg string) answer { return refuse(http.StatusBadRequest, code, msg) }
	micro := int64(math.Round(in.Amount*100)) * leastTransfer // money moves in whole cents
	credit := t.st.credit(t.now)
	to, known := t.recipient(in.Recipient)
	switch {
	case in.Recipient == nil || (in.Sender != "" && in.Sender != "me"):
		return refused("invalid_args", "Invalid args: give 'sender', 'recipient' and 'amount'")
	case !(in.Amount <= maxCredit) || micro < leastTransfer:
		return refused("invalid_params", "Amount must be at least 0.01")
	case !known:
		return refused("invalid_recipient", "There is no such recipient.")
	case micro > credit:
		return refused("insufficient_balance", "Your account lacks the credit to transfer.")
	}
	p := payment{ID: firstInvoice + t.st.Account.serial(), At: t.now, MicroDollars: micro, Before: credit, To: to}
	t.st.Account.Payments = append(t.st.Account.Payments, p)
	return success()
}

// recipient takes anybody's email or id but the account's own.
func (t *tx) recipient(v any) (string, bool) {
	switch v := v.(type) {
	case float64:
		return strconv.FormatInt(int64(v), 10), v > 0 && v != userID
	case string:
		if id, err := strconv.ParseInt(v, 10, 64); err == nil {
			return v, id > 0 && id != userID
		}
		at := strings.LastIndexByte(v, '@')
		return v, at > 0 && at < len(v)-1 && !strings.EqualFold(v, t.user().Email)
	default:
		return "", false
	}
}

// listConnections answers GET /users/cloud_integrations/ with a bare array.
// The sandbox has one, to copy to and from.
func (t *tx) listConnections() answer {
	type connection struct {
		ID        int64  `json:"id"`
		Name      string `json:"name"`
		CloudType string `json:"cloud_type"`
	}
	return reply([]connection{{ID: 7001, Name: "sandbox-bucket", CloudType: "s3"}})
}

// listEarnings answers GET /users/me/machine-earnings/, as to one who has no
// machines.
func (t *tx) listEarnings() answer {
	me := t.user()
	zeros := func(names ...string) map[string]float64 {
		sums := map[string]float64{}
		for _, name := range names {
			sums[name] = 0
		}
		return sums
	}
	return reply(map[string]any{
		"summary":  zeros("total_gpu", "total_stor", "total_bwu", "total_bwd"),
		"current":  zeros("balance", "service_fee", "total", "credit"),
		"username": me.Username, "email": me.Email, "fullname": me.Fullname,
		"per_machine": []any{}, "per_day": []any{},
	})
}

// tfaStatus answers GET /tfa/status/: the account goes without.
func (t *tx) tfaStatus() answer {
	return reply(map[string]any{
		"success": true, "tfa_enabled": false, "methods": []any{}, "backup_codes_remaining": 0, "new_method_authorized": false,
	})
}
