package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"sync"
)

const firstTemplate = 312_000

var templateFields = sync.OnceValue(func() columns {
	return columnsOf(templateRow{}).only("name", "image", "tag", "env", "onstart", "runtype", "ssh_direct", "jup_direct",
		"use_ssh", "use_jupyter_lab", "jupyter_dir", "docker_login_repo", "docker_login_user", "extra_filters", "recommended_disk_space",
		"readme_visible", "desc", "args_str", "href", "repo", "private", "volume_info", "autoscaler", "vm", "python_utf8", "lang_utf8")
})

func templateRoutes() []route {
	const path = "/api/v0/template/"
	return []route{
		{method: http.MethodPost, path: path, op: "template_create", access: inUserWrite, writes: true, handle: (*tx).createTemplate},
		{method: http.MethodPut, path: path, op: "template_update", access: inUserWrite, writes: true, handle: (*tx).updateTemplate},
		{method: http.MethodDelete, path: path, op: "template_delete", access: inUserWrite, writes: true, handle: (*tx).deleteTemplate},
	}
}

// set takes over the given fields. Null stands for a field's zero value. What
// the row keeps as text may come as an object.
func (t *templateRow) set(fields map[string]any) error {
	row := reflect.ValueOf(t).Elem()
	for name, value := range fields {
		col, known := templateFields()[name]
		if !known {
			continue
		}
		switch value.(type) {
		case map[string]any, []any:
			value = asJSON(value)
		}
		c, ok := cellFrom(value, col.kind)
		if !ok {
			return fmt.Errorf("%s has a value of the wrong kind", name)
		}
		c.put(row.Field(col.field))
	}
	return nil
}

// put writes a cell into a field that it fits.
func (c cell) put(field reflect.Value) {
	field.SetZero()
	if c.null {
		return
	}
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(c.text)
	case reflect.Bool:
		field.SetBool(c.num != 0)
	case reflect.Int64:
		field.SetInt(int64(c.num))
	default:
		field.SetFloat(c.num)
	}
}

// complete fills in what the API does not leave empty, and names the content.
func (t *templateRow) complete() {
	t.Tag = cmp.Or(t.Tag, "latest")
	t.Runtype = cmp.Or(t.Runtype, "args")
	t.Repo = cmp.Or(t.Repo, t.Image)
	t.Href = cmp.Or(t.Href, "https://hub.docker.com/r/"+t.Image+"/")
	t.ExtraFilters = cmp.Or(t.ExtraFilters, "{}")
	t.RecommendedDiskSpace = cmp.Or(t.RecommendedDiskSpace, minDisk)
	content := *t
	content.ID, content.HashID, content.CreatedAt, content.RecentCreateDate, content.CountCreated = 0, "", 0, 0, 0
	t.HashID = secret(0, string(encode(content)), 0)[:32]
}

// check refuses a template that nothing can be started from.
func (t *templateRow) check() error {
	switch {
	case t.Name == "":
		return badQuery("Template name is required")
	case t.Image == "":
		return badQuery("Template image is required")
	case !validRuntype(t.Runtype):
		return fmt.Errorf("unknown runtype %q", t.Runtype)
	case !json.Valid([]byte(t.ExtraFilters)):
		return badQuery("extra_filters must be an object")
	}
	return nil
}

// createTemplate answers POST /template/. The same content twice is one
// template.
func (t *tx) createTemplate() answer {
	var in map[string]any
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	row := templateRow{CreatorID: userID, CreatedAt: unix(t.now), RecentCreateDate: unix(t.now), ReadmeVisible: true}
	if err := row.set(in); err != nil {
		return invalidArgs("%v", err)
	}
	row.complete()
	if err := row.check(); err != nil {
		return invalidArgs("%v", err)
	}
	if same := t.ownTemplate(row.HashID); same != nil {
		return madeTemplate(*same)
	}
	row.ID = firstTemplate + t.st.Account.serial()
	t.st.Account.Templates = append(t.st.Account.Templates, row)
	return madeTemplate(row)
}

func madeTemplate(row templateRow) answer {
	return reply(map[string]any{
		"success": true, "msg": fmt.Sprintf("Template Created Successfully! New Template ID: %d", row.ID), "template": row,
	})
}

func (t *tx) ownTemplate(hash string) *templateRow {
	own := t.st.Account.Templates
	i := slices.IndexFunc(own, func(row templateRow) bool { return row.HashID == hash })
	if i < 0 {
		return nil
	}
	return &own[i]
}

// updateTemplate answers PUT /template/: the template keeps its id, and its
// hash follows the content.
func (t *tx) updateTemplate() answer {
	var in map[string]any
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	hash, _ := in["hash_id"].(string)
	if hash == "" {
		return invalidArgs("Template hash_id is required")
	}
	old := t.ownTemplate(hash)
	if old == nil {
		return noSuchTemplate()
	}
	row := *old
	if err := row.set(in); err != nil {
		return invalidArgs("%v", err)
	}
	row.complete()
	if err := row.check(); err != nil {
		return invalidArgs("%v", err)
	}
	*old = row
	return reply(map[string]any{"success": true, "msg": "Template Updated Successfully!", "template": row})
}

func noSuchTemplate() answer {
	return refuse(http.StatusNotFound, "not_found", "There is no such template of yours.")
}

// deleteTemplate answers DELETE /template/. The service takes the number only,
// but its client sends the hash too, and is not to fail here.
func (t *tx) deleteTemplate() answer {
	var in struct {
		ID   json.Number `json:"template_id"`
		Hash string      `json:"hash_id"`
	}
	if !t.unmarshalBody(&in) {
		return badJSON()
	}
	id, err := strconv.ParseInt(in.ID.String(), 10, 64)
	if err != nil && in.Hash == "" {
		return invalidArgs("template_id is required, and must be a number")
	}
	own := t.st.Account.Templates
	i := slices.IndexFunc(own, func(row templateRow) bool { return row.ID == id || in.Hash != "" && row.HashID == in.Hash })
	if i < 0 {
		return noSuchTemplate()
	}
	t.st.Account.Templates = slices.Delete(own, i, i+1)
	return success()
}
