package sandbox

import (
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// templateRow is a template as the API serves it: env is docker's flags and
// extra_filters is JSON, both in a string.
type templateRow struct {
	ID                   int64    `json:"id"`
	HashID               string   `json:"hash_id"`
	Name                 string   `json:"name"`
	CreatorID            int64    `json:"creator_id"`
	CreatedFrom          *string  `json:"created_from"`
	CreatedFromID        *int64   `json:"created_from_id"`
	CreatedAt            float64  `json:"created_at"`
	DeletedAt            *float64 `json:"deleted_at"`
	RecentCreateDate     float64  `json:"recent_create_date"`
	CountCreated         int64    `json:"count_created"`
	Desc                 string   `json:"desc"`
	DescCount            int64    `json:"desc_count"`
	Image                string   `json:"image"`
	Tag                  string   `json:"tag"`
	DefaultTag           *string  `json:"default_tag"`
	Repo                 string   `json:"repo"`
	Href                 string   `json:"href"`
	Command              *string  `json:"command"`
	Env                  string   `json:"env"`
	Onstart              string   `json:"onstart"`
	ArgsStr              string   `json:"args_str"`
	Runtype              string   `json:"runtype"`
	SSHDirect            bool     `json:"ssh_direct"`
	UseSSH               bool     `json:"use_ssh"`
	JupDirect            bool     `json:"jup_direct"`
	UseJupyterLab        bool     `json:"use_jupyter_lab"`
	JupyterDir           string   `json:"jupyter_dir"`
	JupyterTested        *bool    `json:"jupyter_tested"`
	JupyterlabTested     *bool    `json:"jupyterlab_tested"`
	PythonUTF8           bool     `json:"python_utf8"`
	LangUTF8             bool     `json:"lang_utf8"`
	DockerLoginRepo      string   `json:"docker_login_repo"`
	DockerLoginUser      *string  `json:"docker_login_user"`
	DockerLoginPass      *string  `json:"docker_login_pass"`
	ExtraFilters         string   `json:"extra_filters"`
	MinCUDA              *float64 `json:"min_cuda"`
	MaxCUDA              *float64 `json:"max_cuda"`
	Recommended          bool     `json:"recommended"`
	RecommendedDiskSpace float64  `json:"recommended_disk_space"`
	Private              bool     `json:"private"`
	ReadmeVisible        bool     `json:"readme_visible"`
	ReadmeHash           *string  `json:"readme_hash"`
	Cached               *bool    `json:"cached"`
	Autoscaler           bool     `json:"autoscaler"`
	VM                   bool     `json:"vm"`
	SortOrder            *int64   `json:"sort_order"`
	VolumeInfo           *string  `json:"volume_info"`
}

var templateColumns = sync.OnceValue(func() columns {
	return columnsOf(templateRow{}).only("creator_id", "created_at", "count_created", "default_tag",
		"docker_login_repo", "id", "image", "jup_direct", "hash_id", "name", "recent_create_date", "recommended_disk_space",
		"recommended", "ssh_direct", "tag", "use_ssh")
})

const (
	portal    = "-p 1111:1111 -p 8080:8080 -p 8384:8384 -p 72299:72299 -e OPEN_BUTTON_PORT=1111 -e DATA_DIRECTORY=/workspace/"
	entryOnly = "entrypoint.sh"
	jupyter   = "jupyter"
)

// curated are the templates that everybody can see.
func curated() []templateRow {
	rows := []templateRow{
		{Name: "PyTorch (Vast)", Image: "vastai/pytorch", Tag: automaticTag, Env: portal, Onstart: entryOnly, Runtype: jupyter, RecommendedDiskSpace: 32},
		{Name: "PyTorch (cuDNN Devel)", HashID: "661d064bbda1f2a133816b6d55da07c3", Image: "pytorch/pytorch", Tag: "2.4.0-cuda12.4-cudnn9-devel", Runtype: jupyter, RecommendedDiskSpace: 32},
		{Name: "Base image example", HashID: "4e17788f74f075dd9aab7d0d4427968f", Image: "vastai/base-image", Tag: automaticTag, Env: portal, Onstart: entryOnly, Runtype: jupyter, RecommendedDiskSpace: 16},
		{Name: "vLLM (Serverless)", HashID: "490c0ed717a7da3bc5e2677a80f9c4c2", Image: "vastai/vllm", Tag: automaticTag, Env: "-p 8000:8000 -e MODEL_NAME=Qwen/Qwen3-8B", Onstart: entryOnly, Runtype: "ssh", RecommendedDiskSpace: 80, Autoscaler: true},
		{Name: "Ubuntu 22.04 SSH", HashID: "e4c5e88bc289f4eecb0c955c4fe7430d", Image: "ubuntu", Tag: "22.04", Runtype: "ssh", RecommendedDiskSpace: 16},
		{Name: "vLLM", Image: "vastai/vllm", Tag: automaticTag, Env: portal + " -p 8000:8000 -e MODEL_NAME=Qwen/Qwen3-8B", Onstart: entryOnly, Runtype: jupyter, RecommendedDiskSpace: 80},
		{Name: "ComfyUI", Image: "vastai/comfy", Tag: automaticTag, Env: portal + " -p 8188:8188", Onstart: entryOnly, Runtype: jupyter, RecommendedDiskSpace: 60},
		{Name: "NVIDIA CUDA", Image: "vastai/base-image", Tag: automaticTag, Env: portal, Onstart: entryOnly, Runtype: jupyter, RecommendedDiskSpace: 16},
		{Name: "Linux Desktop", Image: "vastai/linux-desktop", Tag: automaticTag, Env: portal + " -p 6100:6100", Onstart: entryOnly, Runtype: jupyter, RecommendedDiskSpace: 32},
		{Name: "FluxGym", Image: "vastai/fluxgym", Tag: automaticTag, Env: portal + " -p 7860:7860", Onstart: entryOnly, Runtype: jupyter, RecommendedDiskSpace: 100},
		{Name: "Whisper WebUI", Image: "vastai/voicebox", Tag: automaticTag, Env: portal + " -p 7861:7861", Onstart: entryOnly, Runtype: jupyter, RecommendedDiskSpace: 32},
		{Name: "Text Generation Inference", Image: "ghcr.io/huggingface/text-generation-inference", Tag: "3.0", Env: "-p 8080:80 -e MODEL_ID=Qwen/Qwen3-8B", ArgsStr: "--port 80", Runtype: "args", RecommendedDiskSpace: 100},
	}
	for i := range rows {
		rows[i].fill(i)
	}
	return rows
}

// fill adds what follows from the rest, or is alike for all.
func (t *templateRow) fill(index int) {
	listed := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, 9*index)
	t.ID = 300_001 + int64(index)*37
	t.HashID = cmp.Or(t.HashID, secret(0, "template "+t.Name, t.ID)[:32])
	t.CreatorID = 62_897
	t.CreatedAt, t.RecentCreateDate = unix(listed), unix(listed.AddDate(0, 3, 0))
	t.CountCreated = 12_000 - int64(index)*900
	t.Desc = t.Name + " on " + t.Image
	t.Repo = t.Image
	t.Href = "https://hub.docker.com/r/" + t.Image + "/"
	t.SSHDirect = t.Runtype != "args"
	t.UseSSH, t.JupDirect = t.SSHDirect, t.Runtype == jupyter
	t.JupyterDir = "/"
	t.ExtraFilters = "{}"
	if t.Tag == automaticTag {
		t.ExtraFilters = `{"cuda_max_good": {"gte": 12.6}}`
	}
	t.Recommended = !t.Autoscaler
	t.ReadmeVisible = true
}

// launchMode is the runtype that the template starts an instance with.
func (t templateRow) launchMode() string {
	switch {
	case t.Runtype == jupyter && t.JupDirect:
		return "jupyter_direc ssh_direc ssh_proxy"
	case t.Runtype == "ssh" && t.SSHDirect:
		return "ssh_direc ssh_proxy"
	default:
		return t.Runtype
	}
}

// findTemplate looks a template up by its hash or, without one, its id, among
// the account's own and those for everybody.
func findTemplate(own []templateRow, hash string, id int64) (templateRow, bool) {
	for _, t := range slices.Concat(own, curated()) {
		if t.HashID == hash || (hash == "" && t.ID == id) {
			return t, true
		}
	}
	return templateRow{}, false
}

// searchTemplates answers GET /template/.
func (t *tx) searchTemplates() answer {
	q := t.r.URL.Query()
	refused := func(msg string) answer { return refuse(http.StatusBadRequest, "invalid_request", msg) }
	var where map[string]any
	if !q.Has("select_filters") || json.Unmarshal([]byte(q.Get("select_filters")), &where) != nil {
		return refused(inQuery + "select_filters must be a JSON object")
	}
	var by []struct{ Col, Dir string }
	if !argument(q, "order_by", &by) {
		return refused(inQuery + "order_by must be a JSON list")
	}
	if len(by) == 0 {
		by = append(by, struct{ Col, Dir string }{"recommended", "desc"})
	}
	var l listing
	if !argument(q, "select_cols", &l.cols) {
		return refused(inQuery + "select_cols must be a JSON list")
	}
	if slices.Contains(l.cols, "*") {
		l.cols = nil
	}
	within := takeSubstrings(where)
	filters, err := templateColumns().filters(where)
	if err != nil {
		return refused(err.Error())
	}
	order, err := templateColumns().orderObjects(by)
	if err != nil {
		return refused(err.Error())
	}
	rows := slices.DeleteFunc(slices.Concat(curated(), t.st.Account.Templates), func(row templateRow) bool {
		return !strings.Contains(row.Name, within["name"]) || !strings.Contains(row.Image, within["image"]) ||
			!matches(reflect.ValueOf(row), filters)
	})
	slices.SortStableFunc(rows, func(a, b templateRow) int {
		return compareKeys(keys(reflect.ValueOf(a), order), keys(reflect.ValueOf(b), order), order)
	})
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 {
		rows = rows[:min(n, len(rows))]
	}
	return reply(struct {
		Success   bool `json:"success"`
		Found     int  `json:"templates_found"`
		Templates any  `json:"templates"`
	}{true, len(rows), project(l, rows)})
}

// takeSubstrings takes plain strings on name and image out of the filters:
// the API looks for those anywhere in the text.
func takeSubstrings(where map[string]any) map[string]string {
	within := map[string]string{}
	for _, col := range []string{"name", "image"} {
		if s, ok := where[col].(string); ok {
			within[col] = s
			delete(where, col)
		}
	}
	return within
}
