package vast

import (
	"context"
	"net/http"
	"net/url"
)

// TemplateID names a template. Unlike its hash it survives an edit.
type TemplateID int64

// Template is a saved way to run an image.
type Template struct {
	ID   TemplateID
	Hash string // changes with each edit
	Name string
	// Image and Tag; the tag may be @vastai-automatic-tag.
	Image, Tag  string
	Description string
	// Env is a string of docker flags, not a map.
	Env           string
	OnStart       string
	ArgsText      string
	RunType       string // ssh, jupyter or args
	UseSSH        bool
	SSHDirect     bool
	JupyterDirect bool
	JupyterLab    bool
	JupyterDir    string
	// ExtraFilters is JSON: the offers that the template asks for.
	ExtraFilters      string
	RecommendedDiskGB float64
	Recommended       bool
	Private           bool
	CreatorID         int64
}

// TemplateService reads templates.
type TemplateService service

type templateRow struct {
	ID              id     `json:"id"`
	HashID          text   `json:"hash_id"`
	Name            text   `json:"name"`
	Image           text   `json:"image"`
	Tag             text   `json:"tag"`
	Desc            text   `json:"desc"`
	Env             text   `json:"env"`
	OnStart         text   `json:"onstart"`
	ArgsStr         text   `json:"args_str"`
	RunType         text   `json:"runtype"`
	UseSSH          flag   `json:"use_ssh"`
	SSHDirect       flag   `json:"ssh_direct"`
	JupDirect       flag   `json:"jup_direct"`
	UseJupyterLab   flag   `json:"use_jupyter_lab"`
	JupyterDir      text   `json:"jupyter_dir"`
	ExtraFilters    text   `json:"extra_filters"`
	RecommendedDisk number `json:"recommended_disk_space"`
	Recommended     flag   `json:"recommended"`
	Private         flag   `json:"private"`
	CreatorID       id     `json:"creator_id"`
}

func (r templateRow) template() Template {
	return Template{
		ID: TemplateID(r.ID), Hash: r.HashID.trimmed(), Name: string(r.Name),
		Image: r.Image.trimmed(), Tag: r.Tag.trimmed(), Description: string(r.Desc),
		Env: string(r.Env), OnStart: string(r.OnStart), ArgsText: string(r.ArgsStr),
		RunType: r.RunType.trimmed(), UseSSH: bool(r.UseSSH), SSHDirect: bool(r.SSHDirect),
		JupyterDirect: bool(r.JupDirect), JupyterLab: bool(r.UseJupyterLab), JupyterDir: string(r.JupyterDir),
		ExtraFilters: string(r.ExtraFilters), RecommendedDiskGB: r.RecommendedDisk.value,
		Recommended: bool(r.Recommended), Private: bool(r.Private), CreatorID: int64(r.CreatorID),
	}
}

// Get returns the template with the given hash, NotFound if there is none.
func (s *TemplateService) Get(ctx context.Context, hash string) (Template, error) {
	found, err := s.Search(ctx, Filter{}.With("hash_id", "eq", hash))
	if err != nil {
		return Template{}, err
	}
	for _, t := range found {
		if t.Hash == hash {
			return t, nil
		}
	}
	return Template{}, &Error{
		Op: operations[opSearchTemplates].Name, Code: NotFound, Status: http.StatusOK,
		Message: "there is no template with this hash; an edit changes it",
	}
}

// Search returns the templates that f selects, the account's own and public
// ones. An empty filter selects thousands.
func (s *TemplateService) Search(ctx context.Context, f Filter) ([]Template, error) {
	filter, wrong := f.text()
	if wrong != "" {
		return nil, invalid(opSearchTemplates, wrong)
	}
	var out struct {
		Templates *list[templateRow] `json:"templates"`
	}
	query := url.Values{"select_filters": {filter}, "select_cols": {`["*"]`}}
	if err := s.c.do(ctx, opSearchTemplates, request{query: query}, &out); err != nil {
		return nil, err
	}
	if out.Templates == nil {
		return nil, garbled(opSearchTemplates, "no templates in the answer")
	}
	found := make([]Template, 0, len(*out.Templates))
	for _, row := range *out.Templates {
		found = append(found, row.template())
	}
	return found, nil
}
