package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const teamPath = "/api/v0/team/"

func TestWithoutATeam(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Empty(t, r.array(teamPath+"members/"))
	require.Empty(t, r.array(teamPath+"roles-full/"))
	permissions := obj{"api": obj{"misc": obj{}}}
	for _, call := range []struct{ method, path string }{
		{"DELETE", ""},
		{"POST", "invite/?email=a@b.c&role=r"},
		{"GET", "roles/r/"},
		{"POST", "roles/"},
		{"PUT", "roles/5/"},
		{"DELETE", "roles/r/"},
	} {
		out := r.do(404, call.method, teamPath+call.path, obj{"name": "r", "permissions": permissions})
		require.Equal(t, "not_found", out["error"], call)
	}
}

func TestTeam(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Equal(t, "Team Successfully Created!", r.do(200, "POST", teamPath, obj{"team_name": "t", "transfer_credit": 0})["msg"])
	require.Equal(t, "Team name already exists", r.do(400, "POST", teamPath, obj{"team_name": "t"})["msg"])
	require.Equal(t, "You cannot create a team within a team", r.do(400, "POST", teamPath, obj{"team_name": "u"})["msg"])
	require.Equal(t, "invalid_args", r.do(400, "POST", teamPath, obj{})["error"])
	r.do(400, "POST", teamPath, "{")
	keys := objects(r.do(200, "GET", apiKeys, nil)["apikeys"])
	require.Equal(t, "t", keys[0]["team_name"], "the key is the team's now")
	members := r.array(teamPath + "members/")
	require.Len(t, members, 1)
	require.Equal(t, []any{"team_owner"}, members[0]["roles"])

	other := r.scoped(`{"api":{"user_write":{}}}`, nil)
	require.Equal(t, "not_allowed", other.do(403, "DELETE", teamPath, obj{})["error"])
	out := r.do(200, "DELETE", teamPath, obj{})
	require.Equal(t, "Team Successfully Deleted!", out["msg"])
	require.EqualValues(t, 5550001, out["pkey_id"])
	require.Equal(t, "not_found", r.do(404, "DELETE", teamPath, obj{})["error"])
}

func TestTeamMembers(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.do(200, "POST", teamPath, obj{"team_name": "t"})
	require.Equal(t, "server_error", r.do(500, "POST", teamPath+"invite/?email=a@b.c&role=r", obj{})["error"])
	require.Equal(t, "invalid_args", r.do(400, "POST", teamPath+"invite/?email=a&role=team_member", obj{})["error"])
	r.do(400, "POST", teamPath+"invite/", "{")
	require.Equal(t, true, r.do(200, "POST", teamPath+"invite/?email=a@b.c&role=team_member", obj{})["success"])
	r.pass(5 * time.Second)
	again := r.do(429, "POST", teamPath+"invite/?email=a@b.c&role=team_member", obj{})
	require.Equal(t, "Error: invitation already sent to a@b.c only 5 seconds ago.", again["msg"])
	require.Len(t, r.array(teamPath+"members/"), 1, "it is not accepted yet")
	r.pass(time.Hour)
	r.do(200, "POST", teamPath+"invite/", obj{"email": "c@d.e", "role": "team_manager"})
	members := r.array(teamPath + "members/")
	require.Len(t, members, 2)
	require.Equal(t, "a@b.c", members[1]["email"])
	require.Equal(t, []any{"team_member"}, members[1]["roles"])

	one := teamPath + "members/" + itoa(members[1]["id"]) + "/"
	require.Equal(t, "success", r.do(200, "DELETE", one, obj{})["status"])
	require.Equal(t, "failure", r.do(404, "DELETE", one, obj{})["status"])
	require.Equal(t, "failure", r.do(404, "DELETE", teamPath+"members/"+itoa(members[0]["id"])+"/", obj{})["status"], "the owner stays")
}

func TestTeamRoles(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.do(200, "POST", teamPath, obj{"team_name": "t"})
	require.Len(t, r.array(teamPath+"roles-full/"), 3)
	permissions := obj{"api": obj{"misc": obj{}}}
	require.Equal(t, obj{"msg": "success"}, r.do(200, "POST", teamPath+"roles/", obj{"name": "r", "permissions": permissions}))
	require.Equal(t, "Role name already exists", r.do(400, "POST", teamPath+"roles/", obj{"name": "r", "permissions": permissions})["msg"])
	require.Equal(t, "invalid_permissions", r.do(400, "POST", teamPath+"roles/", obj{"name": "s", "permissions": obj{}})["error"])
	require.Equal(t, "invalid_args", r.do(400, "POST", teamPath+"roles/", obj{"permissions": permissions})["error"])
	require.Equal(t, "invalid_request", r.do(400, "POST", teamPath+"roles/", "{")["error"])
	role := r.do(200, "GET", teamPath+"roles/r/", nil)
	require.Equal(t, permissions, role["permissions"])

	byID := teamPath + "roles/" + itoa(role["id"]) + "/"
	require.Equal(t, "Successfully Updated Team Role", r.text(200, "PUT", byID, obj{"name": "s", "permissions": obj{"api": obj{}}}))
	r.do(404, "PUT", teamPath+"roles/500/", obj{"name": "s", "permissions": permissions})
	r.do(400, "PUT", byID, obj{"name": "s", "permissions": 5})
	r.do(404, "GET", teamPath+"roles/r/", nil)
	r.do(404, "DELETE", byID, obj{})
	require.Equal(t, obj{"status": "success"}, r.do(200, "DELETE", teamPath+"roles/s/", obj{}))
	require.Len(t, r.array(teamPath+"roles-full/"), 3)
}
