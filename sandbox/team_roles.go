package sandbox

import (
	"net/http"
	"slices"
)

// role finds a role by its name.
func (m *team) role(name string) *role {
	i := slices.IndexFunc(m.Roles, func(r role) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &m.Roles[i]
}

// listRoles answers GET /team/roles-full/ with a bare array.
func (t *tx) listRoles() answer {
	roles := []role{}
	if m := t.st.Account.Team; m != nil {
		roles = m.Roles
	}
	return reply(roles)
}

// roleInBody reads what a role is to be.
func (t *tx) roleInBody() (role, answer, bool) {
	var in role
	if !t.unmarshalBody(&in) {
		return in, badJSON(), false
	}
	if in.Name == "" {
		return in, invalidArgs("Invalid args: give 'name'"), false
	}
	if _, err := parseGrants(in.Permissions); err != nil {
		return in, refuse(http.StatusBadRequest, "invalid_permissions", err.Error()), false
	}
	return in, answer{}, true
}

// createRole answers POST /team/roles/.
func (t *tx) createRole() answer {
	m, refusal, ok := t.theTeam()
	if !ok {
		return refusal
	}
	in, refusal, ok := t.roleInBody()
	if !ok {
		return refusal
	}
	if m.role(in.Name) != nil {
		return invalidArgs("Role name already exists")
	}
	m.Roles = append(m.Roles, role{ID: t.st.Account.serial(), Name: in.Name, Identifier: in.Name, Permissions: in.Permissions})
	return reply(map[string]string{"msg": "success"})
}

// named finds the role of the path, by its name.
func (t *tx) named() (*role, answer, bool) {
	m, refusal, ok := t.theTeam()
	if !ok {
		return nil, refusal, false
	}
	r := m.role(t.args[0])
	return r, noSuchRole(), r != nil
}

func noSuchRole() answer { return refuse(http.StatusNotFound, "not_found", "There is no such role.") }

// getRole answers GET /team/roles/{name}/.
func (t *tx) getRole() answer {
	r, refusal, ok := t.named()
	if !ok {
		return refusal
	}
	return reply(r)
}

// updateRole answers PUT /team/roles/{id}/ with a bare string. It alone takes
// the number.
func (t *tx) updateRole() answer {
	m, refusal, ok := t.theTeam()
	if !ok {
		return refusal
	}
	in, refusal, ok := t.roleInBody()
	if !ok {
		return refusal
	}
	id, _ := t.id()
	i := slices.IndexFunc(m.Roles, func(r role) bool { return r.ID == id })
	if i < 0 {
		return noSuchRole()
	}
	m.Roles[i].Name, m.Roles[i].Permissions = in.Name, in.Permissions
	return reply("Successfully Updated Team Role")
}

// deleteRole answers DELETE /team/roles/{name}/.
func (t *tx) deleteRole() answer {
	r, refusal, ok := t.named()
	if !ok {
		return refusal
	}
	m, gone := t.st.Account.Team, r.ID
	m.Roles = slices.DeleteFunc(m.Roles, func(o role) bool { return o.ID == gone })
	return reply(map[string]string{"status": "success"})
}
