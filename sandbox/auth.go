package sandbox

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
)

// access says who may call a route, and how the API refuses the others.
type access struct {
	group  string // of permissions; empty: no key is needed
	own    bool   // an instance's own key may, on that instance
	badKey int    // status of an unknown key, which differs between routes
}

var (
	public           = access{}
	inMisc           = access{group: "misc", badKey: http.StatusUnauthorized}
	inInstanceRead   = access{group: "instance_read", badKey: http.StatusUnauthorized}
	inInstanceWrite  = access{group: "instance_write", badKey: http.StatusUnauthorized}
	ownInstanceRead  = access{group: "instance_read", own: true, badKey: http.StatusUnauthorized}
	ownInstanceWrite = access{group: "instance_write", own: true, badKey: http.StatusUnauthorized}
	inUserRead       = access{group: "user_read", badKey: http.StatusNotFound}
	inUserWrite      = access{group: "user_write", badKey: http.StatusNotFound}
	inBillingRead    = access{group: "billing_read", badKey: http.StatusNotFound}
	inBillingWrite   = access{group: "billing_write", badKey: http.StatusNotFound}
	inMachineRead    = access{group: "machine_read", badKey: http.StatusUnauthorized}
	inMachineWrite   = access{group: "machine_write", badKey: http.StatusUnauthorized}
	inTeamRead       = access{group: "team_read", badKey: http.StatusUnauthorized}
	inTeamWrite      = access{group: "team_write", badKey: http.StatusUnauthorized}
)

// keyOf is the request's key: a bearer, or the older query argument.
func keyOf(r *http.Request) string {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return cmp.Or(strings.TrimSpace(bearer), r.URL.Query().Get("api_key"))
}

// authorize checks the request's key. It reports the refusal, if any.
func (t *tx) authorize(r route) (answer, bool) {
	a := r.access
	if a.group == "" {
		return answer{}, true
	}
	key := keyOf(t.r)
	if key == "" {
		return refuse(http.StatusForbidden, "auth_error", "This action requires login."), false
	}
	if sameKey(key, t.st.mainKey(t.m.key)) || sameKey(key, t.m.hostKey) {
		return answer{}, true
	}
	for i := range t.st.Account.APIKeys {
		if k := &t.st.Account.APIKeys[i]; sameKey(key, k.Key) {
			t.key = new(*k)
			return lacksGroup(a), k.grants().allow(a.group, r.name(), t.callArgs(r), k.params())
		}
	}
	for _, c := range t.st.Contracts {
		if sameKey(key, c.Key) {
			return t.authorizeInstance(c, a)
		}
	}
	return refuse(a.badKey, "auth_error", "Invalid user key"), false
}

// authorizeInstance lets an instance's key do what it is for: to read, start,
// stop, label and destroy that instance.
func (t *tx) authorizeInstance(c *contract, a access) (answer, bool) {
	id, ok := t.id()
	switch {
	case a.own && ok && id == c.ID:
		return answer{}, true
	case a.own:
		return refuse(a.badKey, "auth_error", "Invalid user key"), false
	default:
		return lacksGroup(a), false
	}
}

func lacksGroup(a access) answer {
	return refuse(http.StatusUnauthorized, "auth_error", fmt.Sprintf("Your key lacks the %s permission group", a.group))
}

func sameKey(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
