package sandbox

import "encoding/json"

// What a deploy did.
const (
	deployCreated   = "created"
	deployExists    = "exists"
	deploySoft      = "soft_update"      // another version, or other settings of the workers
	deployAutoscale = "autoscale_update" // only other bounds
)

const (
	defaultTag    = "default"
	workerStorage = 16 // GB
	keptVersions  = 10
)

// deployRequest is the body of PUT /deployments/.
type deployRequest struct {
	Name         string          `json:"name"`
	Tag          string          `json:"tag"`
	Image        string          `json:"image"`
	FileHash     string          `json:"file_hash"`
	FileSize     int64           `json:"file_size"`
	Env          string          `json:"env"`
	SearchParams json.RawMessage `json:"search_params"`
	Storage      *float64        `json:"storage"`
	TTL          *float64        `json:"ttl"`
	VersionLabel string          `json:"version_label"`
	scaling
}

// deployAnswer names the form that the code is to be posted with, when it
// isn't there yet.
type deployAnswer struct {
	Success         bool              `json:"success"`
	Action          string            `json:"action"`
	DeploymentID    int64             `json:"deployment_id"`
	EndpointID      int64             `json:"endpoint_id"`
	WorkergroupID   int64             `json:"workergroup_id,omitempty"`
	UploadURL       string            `json:"upload_url,omitempty"`
	UploadFields    map[string]string `json:"upload_fields,omitempty"`
	EvictedVersions []int64           `json:"evicted_versions,omitempty"`
}

func (in deployRequest) storage() float64 {
	if in.Storage == nil {
		return workerStorage
	}
	return *in.Storage
}

// group is what the request wants of a workergroup.
func (in deployRequest) group() workergroupRequest {
	return workergroupRequest{SearchParams: in.SearchParams}
}

// deploy answers PUT /deployments/: a deployment of the name and tag is made,
// or changed.
func (t *tx) deploy() answer {
	var in deployRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if in.Tag == "" {
		in.Tag = defaultTag
	}
	switch {
	case in.Name == "" || in.Image == "" || in.FileHash == "":
		return invalidArgs("name, image and file_hash are required")
	case figure(in.TTL) < 0 || figure(in.TTL) > maxFigure*1000:
		return invalidArgs("ttl must be from 0 to %g seconds", maxFigure*1000)
	}
	g := &workergroup{Created: t.now, Query: map[string]any{}}
	in.describe(g)
	if err := t.configure(g, in.group()); err != nil {
		return invalidArgs("%v", err)
	}
	d := firstOf(t.st.Serverless.Deployments, func(d *deployment) bool { return d.Name == in.Name && d.Tag == in.Tag })
	if d == nil {
		return t.firstDeploy(in, g)
	}
	if err := in.check(); err != nil {
		return invalidArgs("%v", err)
	}
	return t.redeploy(d, in, g)
}

// describe gives the workergroup what the deployment's workers run.
func (in deployRequest) describe(g *workergroup) {
	g.Image, g.Disk, g.Env = in.Image, in.storage(), parseFlags(in.Env)
}

func (t *tx) firstDeploy(in deployRequest, g *workergroup) answer {
	name := in.Name + "-" + in.Tag
	if refusal, ok := t.checkEndpoint(endpointRequest{Name: name, scaling: in.scaling}); !ok {
		return refusal
	}
	e := t.newEndpoint(name, in.scaling)
	g.Endpoint = e.ID
	t.addGroup(e, g)
	d := &deployment{
		ID: t.st.Serverless.newID(), Name: in.Name, Tag: in.Tag, Endpoint: e.ID, Image: in.Image, Env: in.Env,
		Search: g.SearchParams, Storage: in.storage(), TTL: figure(in.TTL), Heartbeat: t.now, Created: t.now, Updated: t.now,
	}
	t.st.Serverless.Deployments = append(t.st.Serverless.Deployments, d)
	out := deployAnswer{Action: deployCreated}
	t.addVersion(d, in, &out)
	return t.deployed(d, out)
}

// redeploy changes what differs. Workers of what ran before are replaced.
func (t *tx) redeploy(d *deployment, in deployRequest, next *workergroup) answer {
	e := t.st.Serverless.endpoint(d.Endpoint)
	scaled := in.over(e.Scaling)
	sameCode := d.version().FileHash == in.FileHash
	sameWorkers := d.Image == in.Image && d.Env == in.Env && d.Search == next.SearchParams && d.Storage == in.storage()
	out := deployAnswer{Action: deployExists}
	switch {
	case !sameCode || !sameWorkers:
		out.Action = deploySoft
	case !scaled.equal(e.Scaling):
		out.Action = deployAutoscale
	}
	e.Scaling = scaled
	if !sameCode {
		t.addVersion(d, in, &out)
	}
	if !sameWorkers {
		for _, g := range t.st.Serverless.groupsOf(e.ID) {
			t.st.dropGroup(g, t.now)
		}
		d.Image, d.Env, d.Search, d.Storage = in.Image, in.Env, next.SearchParams, in.storage()
		next.Endpoint = e.ID
		t.addGroup(e, next)
	}
	if in.TTL != nil {
		d.TTL = *in.TTL
	}
	d.Heartbeat, d.Updated = t.now, t.now
	t.setEndpoint(e, "")
	return t.deployed(d, out)
}

// addVersion books an upload, forgets the oldest, and tells where to post it.
func (t *tx) addVersion(d *deployment, in deployRequest, out *deployAnswer) {
	d.Versions = append(d.Versions, version{
		ID: t.st.Serverless.newID(), FileHash: in.FileHash, FileSize: in.FileSize, Label: in.VersionLabel, Created: t.now, Used: t.now,
	})
	for len(d.Versions) > keptVersions {
		out.EvictedVersions = append(out.EvictedVersions, d.Versions[0].ID)
		d.Versions = d.Versions[1:]
	}
	out.UploadURL = baseURL(t.r) + objectPath
	out.UploadFields = map[string]string{"key": d.key(d.version())}
}

func (t *tx) deployed(d *deployment, out deployAnswer) answer {
	out.Success, out.DeploymentID, out.EndpointID = true, d.ID, d.Endpoint
	if groups := t.st.Serverless.groupsOf(d.Endpoint); len(groups) > 0 {
		out.WorkergroupID = groups[0].ID
	}
	return reply(out)
}
