package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

func recreateRoutes() []route {
	return []route{
		{method: http.MethodPut, path: "/api/v0/instances/recycle/{id}/", op: "recycle", access: inInstanceWrite, writes: true, handle: (*tx).recycleInstance},
		{method: http.MethodPut, path: "/api/v0/instances/update_template/{id}/", op: "update", access: inInstanceWrite, writes: true, handle: (*tx).updateInstance},
		{method: http.MethodPost, path: "/api/v0/instances/take_snapshot/{id}/", op: "snapshot", access: inInstanceWrite, writes: true, handle: (*tx).takeSnapshot},
	}
}

// recycleInstance answers PUT /instances/recycle/{id}/.
func (t *tx) recycleInstance() answer {
	id, _ := t.id()
	c := t.st.contract(id)
	if c == nil {
		return refuse(http.StatusBadRequest, "invalid_id", "Invalid instance id.")
	}
	if !c.canRestart() {
		return invalidArgs("Instance %d is not running.", c.ID)
	}
	t.st.recycle(c, t.now)
	return success()
}

// updateRequest is the body of PUT /instances/update_template/{id}/. What it
// leaves out stays as it is.
type updateRequest struct {
	TemplateID     int64           `json:"template_id"`
	TemplateHashID string          `json:"template_hash_id"`
	Image          string          `json:"image"`
	Args           json.RawMessage `json:"args"`
	Env            json.RawMessage `json:"env"`
	Onstart        *string         `json:"onstart"`
}

// updateInstance answers PUT /instances/update_template/{id}/: it changes
// what the instance runs, and makes its container anew.
func (t *tx) updateInstance() answer {
	c, refusal, ok := t.instance()
	if !ok {
		return refusal
	}
	var in updateRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	args, err := in.args()
	if err != nil {
		return invalidArgs("%v", err)
	}
	changed := createRequest{
		Image: in.Image, Env: in.Env, Onstart: in.Onstart, Args: args,
		TemplateID: in.TemplateID, TemplateHashID: in.TemplateHashID,
	}
	if in.TemplateID == 0 && in.TemplateHashID == "" {
		changed.keep(c.Launch)
	}
	l, err := changed.launch(t.st.Account.Templates)
	if err != nil {
		return invalidArgs("%v", err)
	}
	l.Image = resolveTag(l.Image, t.world.asks[c.Ask].m.cuda)
	if in.TemplateID == 0 && in.TemplateHashID == "" {
		l.TemplateID, l.TemplateHash, l.TemplateName, l.Login = c.Launch.TemplateID, c.Launch.TemplateHash, c.Launch.TemplateName, c.Launch.Login
	}
	c.Launch, c.Pulled = l, false
	if c.canRestart() {
		t.st.recycle(c, t.now)
	}
	return reply(map[string]any{
		"success": true, "updated_instance": t.instanceRow(c, false),
		"msg": "The instance is made anew from what was changed.",
	})
}

// args are a list, or a line as one types it.
func (in updateRequest) args() ([]string, error) {
	var list []string
	if in.Args == nil || json.Unmarshal(in.Args, &list) == nil {
		return list, nil
	}
	var line string
	if json.Unmarshal(in.Args, &line) != nil {
		return nil, errors.New("Invalid args: 'args' must be a list of strings") //nolint:staticcheck // the API's sentence
	}
	return strings.Fields(line), nil
}

// keep fills in what the request leaves as it was.
func (in *createRequest) keep(l launch) {
	in.Runtype = l.Runtype
	if in.Image == "" {
		in.Image = l.Image
	}
	if in.Args == nil {
		in.Args = l.Args
	}
	if in.Onstart == nil {
		in.Onstart = l.Onstart
	}
	if in.Env == nil {
		env := map[string]string{}
		for _, entry := range l.Env {
			env[entry[0]] = entry[1]
		}
		in.Env = encode(env)
	}
}

// canRestart is true while there is a container that is to be up.
func (c *contract) canRestart() bool {
	return c.Intended == wantRunning && (c.Phase == running || c.Phase == finished)
}

// takeSnapshot answers POST /instances/take_snapshot/{id}/. Nothing here can
// push to a registry: what could be refused is refused, and the rest is let
// be. The login that comes along is forgotten.
func (t *tx) takeSnapshot() answer {
	if _, refusal, ok := t.instance(); !ok {
		return refusal
	}
	var in struct {
		Repo string `json:"personal_repo"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if in.Repo == "" {
		return invalidArgs("Invalid args: 'personal_repo' is required")
	}
	return reply(outcome{Success: true, Msg: "Snapshot of the container started; watch the registry for it."})
}
