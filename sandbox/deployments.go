package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// deployment is code that runs on an endpoint of its own: its image, its
// workergroup, and the versions that were uploaded.
type deployment struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Tag       string    `json:"tag"`
	Endpoint  int64     `json:"endpoint"`
	Image     string    `json:"image"`
	Env       string    `json:"env"`
	Search    string    `json:"search_params"`
	Storage   float64   `json:"storage"`
	TTL       float64   `json:"ttl,omitempty"` // seconds without a heartbeat until it goes; 0: it stays
	Heartbeat time.Time `json:"heartbeat"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
	Versions  []version `json:"versions"` // newest last, never empty
}

// version is one upload.
type version struct {
	ID       int64     `json:"id"`
	FileHash string    `json:"file_hash"`
	FileSize int64     `json:"file_size"`
	Label    string    `json:"label"`
	Created  time.Time `json:"created"`
	Used     time.Time `json:"used"`
}

func (d *deployment) sound() bool {
	return d.ID > 0 && len(d.Versions) > 0 && d.TTL >= 0 && d.TTL <= maxFigure*1000 &&
		sane(d.Heartbeat) && sane(d.Created) && sane(d.Updated)
}

func (d *deployment) expires() time.Time {
	return d.Heartbeat.Add(time.Duration(d.TTL * float64(time.Second)))
}

// lapse ends a deployment that nobody has asked after for its time to live.
func (d *deployment) lapse(st *state, at time.Time) {
	st.dropEndpoint(st.Serverless.endpoint(d.Endpoint), at)
}

func (d *deployment) version() *version { return &d.Versions[len(d.Versions)-1] }

func (d *deployment) key(v *version) string {
	return fmt.Sprintf("deployments/%d/%s/%s/%s", userID, d.Name, d.Tag, v.FileHash)
}

// deploymentRow is a deployment as the API serves it. Only one read by itself
// tells the last two.
type deploymentRow struct {
	ID                   int64    `json:"id"`
	Name                 string   `json:"name"`
	Tag                  string   `json:"tag"`
	EndpointID           int64    `json:"endpoint_id"`
	S3Key                string   `json:"s3_key"`
	Env                  string   `json:"env"`
	Image                string   `json:"image"`
	Storage              float64  `json:"storage"`
	FileHash             string   `json:"file_hash"`
	SearchParams         string   `json:"search_params"`
	CurrentVersionID     int64    `json:"current_version_id"`
	LastHealthyVersionID int64    `json:"last_healthy_version_id"`
	TTL                  *float64 `json:"ttl"`
	LastClientHeartbeat  float64  `json:"last_client_heartbeat"`
	CreatedAt            float64  `json:"created_at"`
	UpdatedAt            float64  `json:"updated_at"`
	EndpointState        string   `json:"endpoint_state,omitempty"`
	WorkerCount          *int     `json:"worker_count,omitempty"`
}

func (d *deployment) row() deploymentRow {
	v := d.version()
	row := deploymentRow{
		ID: d.ID, Name: d.Name, Tag: d.Tag, EndpointID: d.Endpoint, S3Key: d.key(v), Env: d.Env, Image: d.Image,
		Storage: d.Storage, FileHash: v.FileHash, SearchParams: d.Search, CurrentVersionID: v.ID, LastHealthyVersionID: v.ID,
		LastClientHeartbeat: unix(d.Heartbeat), CreatedAt: unix(d.Created), UpdatedAt: unix(d.Updated),
	}
	if d.TTL > 0 {
		row.TTL = &d.TTL
	}
	return row
}

func deploymentRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/deployments/", op: "deployments", access: inInstanceRead, handle: (*tx).listDeployments},
		{method: http.MethodPut, path: "/api/v0/deployments/", op: "deploy", access: inInstanceWrite, writes: true, handle: (*tx).deploy},
		{method: http.MethodDelete, path: "/api/v0/deployments/", op: "deployments_delete", access: inInstanceWrite, writes: true, handle: (*tx).deleteDeployments},
		{method: http.MethodGet, path: "/api/v0/deployment/{id}/", op: "deployment_get", access: inInstanceRead, handle: (*tx).getDeployment},
		{method: http.MethodDelete, path: "/api/v0/deployment/{id}/", op: "deployment_delete", access: inInstanceWrite, writes: true, handle: (*tx).deleteDeployment},
		{method: http.MethodGet, path: "/api/v0/deployment/{id}/versions/", op: "deployment_versions", access: inInstanceRead, handle: (*tx).listVersions},
		{method: http.MethodGet, path: "/api/v0/deployment/{id}/download_url/", op: "deployment_download", access: inInstanceRead, handle: (*tx).downloadURL},
		{method: http.MethodPost, path: "/api/v0/deployment/{id}/start/", op: "deployment_start", access: inInstanceWrite, writes: true, handle: (*tx).startDeployment},
		{method: http.MethodPost, path: "/api/v0/deployment/{id}/stop/", op: "deployment_stop", access: inInstanceWrite, writes: true, handle: (*tx).stopDeployment},
		{method: http.MethodPost, path: "/api/v0/deployment/{id}/heartbeat/", op: "deployment_heartbeat", access: inInstanceWrite, writes: true, handle: (*tx).heartbeat},
	}
}

// listDeployments answers GET /deployments/.
func (t *tx) listDeployments() answer {
	rows := []deploymentRow{}
	for _, d := range t.st.Serverless.Deployments {
		rows = append(rows, d.row())
	}
	return reply(map[string]any{"success": true, "deployments": rows})
}

// deployment finds the deployment of the path, or says that there is none.
func (t *tx) deployment() (*deployment, answer, bool) {
	id, ok := t.id()
	if !ok {
		return nil, invalidArgs("Invalid deployment ID"), false
	}
	d := firstOf(t.st.Serverless.Deployments, func(d *deployment) bool { return d.ID == id })
	return d, refuse(http.StatusNotFound, "not_found", fmt.Sprintf("Deployment %d not found.", id)), d != nil
}

// getDeployment answers GET /deployment/{id}/.
func (t *tx) getDeployment() answer {
	d, refusal, ok := t.deployment()
	if !ok {
		return refusal
	}
	row := d.row()
	row.EndpointState = t.st.Serverless.endpoint(d.Endpoint).State
	row.WorkerCount = new(len(t.workerRows(t.st.Serverless.groupsOf(d.Endpoint))))
	return reply(map[string]any{"success": true, "deployment": row})
}

type versionRow struct {
	ID           int64   `json:"id"`
	FileHash     string  `json:"file_hash"`
	VersionLabel string  `json:"version_label"`
	FileSize     int64   `json:"file_size"`
	CreatedAt    float64 `json:"created_at"`
	LastUsedAt   float64 `json:"last_used_at"`
}

// listVersions answers GET /deployment/{id}/versions/, newest first.
func (t *tx) listVersions() answer {
	d, refusal, ok := t.deployment()
	if !ok {
		return refusal
	}
	rows := []versionRow{}
	for _, v := range slices.Backward(d.Versions) {
		rows = append(rows, versionRow{v.ID, v.FileHash, v.Label, v.FileSize, unix(v.Created), unix(v.Used)})
	}
	return reply(map[string]any{"success": true, "versions": rows})
}

// downloadURL answers GET /deployment/{id}/download_url/. Nothing is there:
// the market keeps no uploads.
func (t *tx) downloadURL() answer {
	d, refusal, ok := t.deployment()
	if !ok {
		return refusal
	}
	return reply(map[string]any{"success": true, "download_url": baseURL(t.r) + objectPath + d.key(d.version())})
}

func (t *tx) startDeployment() answer { return t.setDeployment(endpointActive) }

func (t *tx) stopDeployment() answer { return t.setDeployment(endpointStopped) }

// setDeployment answers POST /deployment/{id}/start/ and stop/.
func (t *tx) setDeployment(state string) answer {
	d, refusal, ok := t.deployment()
	if !ok {
		return refusal
	}
	t.setEndpoint(t.st.Serverless.endpoint(d.Endpoint), state)
	return reply(map[string]any{"success": true, "endpoint_state": state})
}

// heartbeat answers POST /deployment/{id}/heartbeat/.
func (t *tx) heartbeat() answer {
	d, refusal, ok := t.deployment()
	if !ok {
		return refusal
	}
	d.Heartbeat = t.now
	return success()
}

// deleteDeployment answers DELETE /deployment/{id}/.
func (t *tx) deleteDeployment() answer {
	d, refusal, ok := t.deployment()
	if !ok {
		return refusal
	}
	t.st.dropEndpoint(t.st.Serverless.endpoint(d.Endpoint), t.now)
	return success()
}

// deleteDeployments answers DELETE /deployments/: all of a name, or the one
// with the tag.
func (t *tx) deleteDeployments() answer {
	var in struct{ Name, Tag string }
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if in.Name == "" {
		return invalidArgs("name is required")
	}
	count := 0
	for _, d := range slices.Clone(t.st.Serverless.Deployments) {
		if d.Name == in.Name && cmp.Or(in.Tag, d.Tag) == d.Tag {
			t.st.dropEndpoint(t.st.Serverless.endpoint(d.Endpoint), t.now)
			count++
		}
	}
	if count == 0 {
		return refuse(http.StatusNotFound, "not_found", fmt.Sprintf("No active deployments found for name=%s", in.Name))
	}
	return reply(map[string]any{"success": true, "count": count})
}
