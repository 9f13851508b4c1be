package sandbox_test

import (
	"maps"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const templatePath = "/api/v0/template/"

// commandLine is what the official client sends for a template.
func commandLine(more obj) obj {
	body := obj{
		"name": "rig tpl", "image": "ubuntu", "tag": "22.04", "href": nil, "repo": nil, "env": nil, "onstart": nil, "jup_direct": false,
		"ssh_direct": true, "use_jupyter_lab": false, "runtype": "ssh", "use_ssh": true, "jupyter_dir": nil, "docker_login_repo": nil,
		"extra_filters": obj{"num_gpus": obj{"eq": "1"}}, "recommended_disk_space": "16", "readme": nil, "readme_visible": true,
		"desc": "d", "private": true,
	}
	maps.Copy(body, more)
	return body
}

func (r *rig) ownTemplates() []obj {
	r.t.Helper()
	return objects(r.do(200, "GET", templatePath+"?select_filters="+url.QueryEscape(`{"creator_id":{"eq":777001}}`), nil)["templates"])
}

func TestTemplateIsMadeAndChanged(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	out := r.do(200, "POST", templatePath, commandLine(nil))
	made := out["template"].(obj)
	require.Equal(t, "Template Created Successfully! New Template ID: "+itoa(made["id"]), out["msg"])
	sameShape(t, fixture(t, "templates")["templates"].([]any)[0].(obj), made)
	require.Equal(t, `{"num_gpus":{"eq":"1"}}`, made["extra_filters"])
	require.EqualValues(t, 16, made["recommended_disk_space"])
	require.Equal(t, "ubuntu", made["repo"])
	require.Equal(t, true, made["private"])
	require.Regexp(t, "^[0-9a-f]{32}$", made["hash_id"])
	require.Equal(t, []obj{made}, r.ownTemplates())
	require.Equal(t, made, r.do(200, "POST", templatePath, commandLine(nil))["template"], "the same again is the same")

	changed := r.do(200, "PUT", templatePath, obj{"hash_id": made["hash_id"], "name": "other", "docker_login_user": "me"})["template"].(obj)
	require.Equal(t, made["id"], changed["id"])
	require.NotEqual(t, made["hash_id"], changed["hash_id"])
	require.Equal(t, "22.04", changed["tag"], "what isn't sent stays")
	require.Equal(t, "me", changed["docker_login_user"])
	require.Equal(t, "not_found", r.do(404, "PUT", templatePath, obj{"hash_id": made["hash_id"], "name": "x"})["error"])
	wiped := r.do(200, "PUT", templatePath, commandLine(obj{"hash_id": changed["hash_id"], "tag": nil, "recommended_disk_space": nil}))["template"].(obj)
	require.Equal(t, "latest", wiped["tag"], "null wipes")
	require.EqualValues(t, 8, wiped["recommended_disk_space"])

	require.Equal(t, "invalid_args", r.do(400, "DELETE", templatePath, obj{})["error"])
	require.Equal(t, obj{"success": true}, r.do(200, "DELETE", templatePath, obj{"hash_id": wiped["hash_id"]}), "the client sends it")
	require.Equal(t, "not_found", r.do(404, "DELETE", templatePath, obj{"template_id": made["id"]})["error"])
	require.Empty(t, r.ownTemplates())
}

func TestTemplatesThatMakeNoSense(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	made := r.do(200, "POST", templatePath, commandLine(nil))["template"].(obj)
	for msg, more := range map[string]obj{
		"Template name is required":                            {"name": ""},
		"Template image is required":                           {"image": nil},
		`unknown runtype "boat"`:                               {"runtype": "boat"},
		"extra_filters must be an object":                      {"extra_filters": "{"},
		"recommended_disk_space has a value of the wrong kind": {"recommended_disk_space": "much"},
	} {
		require.Equal(t, msg, r.do(400, "POST", templatePath, commandLine(more))["msg"])
		more["hash_id"] = made["hash_id"]
		require.Equal(t, msg, r.do(400, "PUT", templatePath, commandLine(more))["msg"])
	}
	require.Equal(t, []obj{made}, r.ownTemplates())
	require.Equal(t, "invalid_args", r.do(400, "PUT", templatePath, obj{"name": "x"})["error"])
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		require.Equal(t, "invalid_request", r.do(400, method, templatePath, "{")["error"])
	}
	curated := r.do(200, "GET", templatePath+"?select_filters={}", nil)["templates"].([]any)[0].(obj)
	r.do(404, "PUT", templatePath, obj{"hash_id": curated["hash_id"], "name": "mine"})
	r.do(404, "DELETE", templatePath, obj{"template_id": curated["id"]})
}

func TestInstanceFromAnOwnTemplate(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	made := r.do(200, "POST", templatePath, commandLine(obj{"env": "-e A=1 -p 8000:8000", "onstart": "echo hi"}))["template"].(obj)
	id := r.rent(r.cheap(nil)[3]["id"], obj{"template_hash_id": made["hash_id"], "image": nil, "runtype": nil})
	row := r.instance(id)
	require.Equal(t, "ubuntu:22.04", row["image_uuid"])
	require.Equal(t, made["id"], row["template_id"])
	require.Equal(t, "echo hi", row["onstart"])
	require.Contains(t, row["extra_env"], []any{"A", "1"})
}

func TestTemplateColumns(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	rows := r.do(200, "GET", templatePath+`?select_filters={}&limit=1&select_cols=["name"]`, nil)["templates"]
	require.Equal(t, []any{obj{"name": "PyTorch (Vast)"}}, rows)
	require.Len(t, r.do(200, "GET", templatePath+`?select_filters={}&select_cols=["*"]`, nil)["templates"].([]any)[0], 47)
	r.do(400, "GET", templatePath+"?select_filters={}&select_cols=5", nil)
}
