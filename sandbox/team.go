package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	joinTime    = 10 * time.Minute // from an invitation until it is accepted
	inviteAgain = time.Minute
	firstTeam   = 880_000
	ownerRole   = "team_owner"
)

// team is the account's team. It shares the account's money and instances.
type team struct {
	ID      int64        `json:"id"`
	Name    string       `json:"name"`
	Key     int64        `json:"key"` // that is bound to it
	Roles   []role       `json:"roles"`
	Invited []invitation `json:"invited,omitempty"`
}

// role is a set of permissions with a name.
type role struct {
	ID          int64           `json:"id"`
	Name        string          `json:"name"`
	Identifier  string          `json:"identifier"`
	Permissions json.RawMessage `json:"permissions"`
}

// invitation makes a member of somebody after a while.
type invitation struct {
	ID    int64     `json:"id"`
	Email string    `json:"email"`
	Role  string    `json:"role"`
	At    time.Time `json:"at"`
}

func (m *team) sound() bool {
	return !slices.ContainsFunc(m.Invited, func(i invitation) bool { return !sane(i.At) })
}

// member is one as the API lists it.
type member struct {
	ID       int64    `json:"id"`
	Username string   `json:"username"`
	Email    string   `json:"email"`
	Fullname string   `json:"fullname"`
	Roles    []string `json:"roles"`
}

func teamRoutes() []route {
	const base = "/api/v0/team/"
	return []route{
		{method: http.MethodPost, path: base, op: "team_create", access: inUserWrite, writes: true, handle: (*tx).createTeam},
		{method: http.MethodDelete, path: base, op: "team_delete", access: inUserWrite, writes: true, handle: (*tx).deleteTeam},
		{method: http.MethodPost, path: base + "invite/", op: "team_invite", access: inTeamWrite, writes: true, handle: (*tx).invite},
		{method: http.MethodGet, path: base + "members/", op: "team_members", access: inTeamRead, handle: (*tx).listMembers},
		{method: http.MethodDelete, path: base + "members/{id}/", op: "team_member_remove", access: inTeamWrite, writes: true, handle: (*tx).removeMember},
		{method: http.MethodGet, path: base + "roles-full/", op: "team_roles", access: inTeamRead, handle: (*tx).listRoles},
		{method: http.MethodPost, path: base + "roles/", op: "team_role_create", access: inTeamWrite, writes: true, handle: (*tx).createRole},
		{method: http.MethodGet, path: base + "roles/{id}/", op: "team_role", access: inTeamRead, handle: (*tx).getRole},
		{method: http.MethodPut, path: base + "roles/{id}/", op: "team_role_update", access: inTeamWrite, writes: true, handle: (*tx).updateRole},
		{method: http.MethodDelete, path: base + "roles/{id}/", op: "team_role_delete", access: inTeamWrite, writes: true, handle: (*tx).deleteRole},
	}
}

// createTeam answers POST /team/. The calling key belongs to the team from
// then on.
func (t *tx) createTeam() answer {
	var in struct {
		Name string `json:"team_name"`
	}
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	h := &t.st.Account
	switch {
	case strings.TrimSpace(in.Name) == "":
		return invalidArgs("Invalid args: give 'team_name'")
	case h.Team != nil && h.Team.Name == in.Name:
		return invalidArgs("Team name already exists")
	case h.Team != nil:
		return invalidArgs("You cannot create a team within a team")
	}
	h.Team = &team{ID: firstTeam + h.serial(), Name: in.Name, Key: t.keyID(), Roles: []role{
		newRole(h, ownerRole, "instance_read", "instance_write", "user_read", "user_write", "billing_read", "billing_write", "misc", "team_read", "team_write"),
		newRole(h, "team_manager", "instance_read", "instance_write", "user_read", "billing_read", "misc", "team_read", "team_write"),
		newRole(h, "team_member", "instance_read", "instance_write", "user_read", "misc", "team_read"),
	}}
	return reply(outcome{Success: true, Msg: "Team Successfully Created!"})
}

func newRole(h *holdings, name string, groups ...string) role {
	granted := map[string]any{}
	for _, group := range groups {
		granted[group] = struct{}{}
	}
	return role{ID: h.serial(), Name: name, Identifier: name, Permissions: encode(map[string]any{"api": granted})}
}

// theTeam is the account's team, or says that there is none.
func (t *tx) theTeam() (*team, answer, bool) {
	m := t.st.Account.Team
	return m, refuse(http.StatusNotFound, "not_found", "You are not in a team."), m != nil
}

// deleteTeam answers DELETE /team/ with the id of the personal key.
func (t *tx) deleteTeam() answer {
	if _, refusal, ok := t.theTeam(); !ok {
		return refusal
	}
	if t.key != nil && t.st.Account.Team.Key != t.key.ID {
		return refuse(http.StatusForbidden, "not_allowed", "Only the team's owner may delete it.")
	}
	t.st.Account.Team = nil
	return reply(map[string]any{"success": true, "msg": "Team Successfully Deleted!", "pkey_id": keyID})
}

// invite answers POST /team/invite/, whose arguments come in the query or in
// the body.
func (t *tx) invite() answer {
	var in struct{ Email, Role string }
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	q := t.r.URL.Query()
	in.Email, in.Role = cmp.Or(q.Get("email"), in.Email), cmp.Or(q.Get("role"), in.Role)
	m, refusal, ok := t.theTeam()
	switch {
	case !ok:
		return refusal
	case !strings.Contains(in.Email, "@"):
		return invalidArgs("Invalid args: give 'email' and 'role'")
	case m.role(in.Role) == nil:
		return refuse(http.StatusInternalServerError, "server_error", "There is no such role.")
	}
	for _, i := range m.Invited {
		if ago := t.now.Sub(i.At); strings.EqualFold(i.Email, in.Email) && ago < inviteAgain {
			msg := fmt.Sprintf("Error: invitation already sent to %s only %.0f seconds ago.", in.Email, ago.Seconds())
			return refuse(http.StatusTooManyRequests, "", msg)
		}
	}
	m.Invited = slices.DeleteFunc(m.Invited, func(i invitation) bool { return strings.EqualFold(i.Email, in.Email) })
	m.Invited = append(m.Invited, invitation{ID: userID + t.st.Account.serial(), Email: in.Email, Role: in.Role, At: t.now})
	return reply(outcome{Success: true, Msg: "Invitation sent to " + in.Email})
}

// members are the owner and who accepted.
func (t *tx) members() []member {
	m := t.st.Account.Team
	if m == nil {
		return []member{}
	}
	me := t.user()
	members := []member{{ID: userID, Username: me.Username, Email: me.Email, Fullname: me.Fullname, Roles: []string{ownerRole}}}
	for _, i := range m.Invited {
		if t.now.Sub(i.At) >= joinTime {
			name, _, _ := strings.Cut(i.Email, "@")
			members = append(members, member{ID: i.ID, Username: name, Email: i.Email, Fullname: name, Roles: []string{i.Role}})
		}
	}
	return members
}

// listMembers answers GET /team/members/ with a bare array, which is empty
// without a team.
func (t *tx) listMembers() answer { return reply(t.members()) }

// removeMember answers DELETE /team/members/{id}/.
func (t *tx) removeMember() answer {
	id, _ := t.id()
	isMember := slices.ContainsFunc(t.members(), func(m member) bool { return m.ID == id && id != userID })
	if !isMember {
		a := reply(map[string]string{"status": "failure", "message": "There is no such member."})
		a.status = http.StatusNotFound
		return a
	}
	m := t.st.Account.Team
	m.Invited = slices.DeleteFunc(m.Invited, func(i invitation) bool { return i.ID == id })
	return reply(map[string]string{"status": "success", "message": "Team member removed."})
}
