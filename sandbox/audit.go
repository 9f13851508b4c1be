package sandbox

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"time"
)

// What the audit log keeps: this many calls, with what they said where that
// isn't long.
const (
	auditMost     = 200 // each is written again with every change
	auditBodyMost = 4096
	masked        = "********"
)

// auditRow is a call that may have changed something.
type auditRow struct {
	IPAddress string          `json:"ip_address"`
	APIKeyID  int64           `json:"api_key_id"`
	CreatedAt float64         `json:"created_at"`
	APIRoute  string          `json:"api_route"`
	Args      json.RawMessage `json:"args"`
}

// address is one that the account was used from.
type address struct {
	IP        string    `json:"ip"`
	FirstSeen time.Time `json:"first_seen"`
}

// signUpIP is where the account was made.
const signUpIP = "198.51.100.7"

func auditRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/audit_logs/", op: "audit_logs", access: inMisc, handle: (*tx).listAudit},
		{method: http.MethodGet, path: "/api/v0/users/me/ipaddrs/", op: "ipaddrs", access: inUserRead, handle: (*tx).listAddresses},
	}
}

// record puts a call into the audit log, without what is secret.
func (t *tx) record(r route) {
	if r.access.group == "" {
		return // the runtime keeps none
	}
	h := &t.st.Account
	ip, _, _ := net.SplitHostPort(t.r.RemoteAddr)
	if ip != signUpIP && !slices.ContainsFunc(h.Addresses, func(a address) bool { return a.IP == ip }) {
		h.Addresses = append(h.Addresses, address{IP: ip, FirstSeen: t.now})
	}
	if len(t.body) > auditBodyMost {
		t.body = nil
	}
	args := t.callArgs(r)
	for name := range args {
		if hidden(name) {
			args[name] = masked
		}
	}
	h.Audit = append(h.Audit, auditRow{IPAddress: ip, APIKeyID: t.keyID(), CreatedAt: unix(t.now), APIRoute: r.name(), Args: encode(args)})
	h.Audit = h.Audit[max(len(h.Audit)-auditMost, 0):]
}

// hidden tells which arguments can hold a secret.
func hidden(name string) bool {
	return slices.Contains([]string{
		"value", "password", "api_key", "env", "onstart", "args", "args_str", "image_login",
		"docker_login_user", "docker_login_pass", "key_params", "command", "request_body", "launch_args",
	}, name)
}

// listAudit answers GET /audit_logs/ with a bare array.
func (t *tx) listAudit() answer { return reply(append([]auditRow{}, t.st.Account.Audit...)) }

// listAddresses answers GET /users/me/ipaddrs/, with the names that the
// documents use beside those that clients read.
func (t *tx) listAddresses() answer {
	type row struct {
		ID            int64   `json:"id"`
		UserID        int64   `json:"user_id"`
		IP            string  `json:"ip"`
		IPAddress     string  `json:"ip_address"`
		FirstSeen     float64 `json:"first_seen"`
		FirstLocation string  `json:"first_location"`
		Timestamp     float64 `json:"timestamp"`
	}
	rows := []row{}
	for i, a := range append([]address{{IP: signUpIP, FirstSeen: t.st.Born}}, t.st.Account.Addresses...) {
		seen := unix(a.FirstSeen)
		rows = append(rows, row{int64(i + 1), userID, a.IP, a.IP, seen, "Sandbox", seen})
	}
	return reply(map[string]any{"success": true, "results": rows})
}

// keyID is the id of the key that the request came with.
func (t *tx) keyID() int64 {
	if t.key != nil {
		return t.key.ID
	}
	return keyID
}

// unmarshalBody reads the request's body; an empty one says nothing.
func (t *tx) unmarshalBody(v any) bool {
	return len(t.body) == 0 || json.Unmarshal(t.body, v) == nil
}
