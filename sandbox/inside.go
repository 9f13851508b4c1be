package sandbox

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const insidePath = "/__sandbox/instances/"

// inside is what a container would see of itself, so that a script that is to
// run in one can be run anywhere against the sandbox.
type inside struct {
	ID             int64             `json:"id"`
	API            string            `json:"api"` // base URL, where the real one is Vast.ai's
	Up             bool              `json:"up"`
	Image          string            `json:"image"`
	Runtype        string            `json:"runtype"`
	Args           []string          `json:"args"`
	Onstart        *string           `json:"onstart"`
	Env            map[string]string `json:"env"`
	Ports          map[string]string `json:"ports"` // inner to outer, such as "22/tcp" to "40123"
	AuthorizedKeys []string          `json:"authorized_keys"`
	StatusMsg      *string           `json:"status_msg"`
}

// getInside answers GET /__sandbox/instances/{id}. Its answer holds secrets
// of the instance, as the container does.
func (m *Market) getInside(r *http.Request, id string) answer {
	n, err := strconv.ParseInt(strings.TrimSuffix(id, "/"), 10, 64)
	if err != nil {
		return invalidArgs("invalid instance_id")
	}
	a := noSuchInstance(n)
	failed := m.transact(func(st *state, w *world, now time.Time) (bool, error) {
		if c := st.contract(n); c != nil {
			t := &tx{m: m, st: st, world: w, now: now, r: r}
			a = reply(t.inside(c))
		}
		return false, nil
	})
	if failed != nil {
		return refuse(http.StatusInternalServerError, "server_error", failed.Error())
	}
	return a
}

func (t *tx) inside(c *contract) inside {
	row := t.instanceRow(c, false)
	in := inside{
		ID: c.ID, API: baseURL(t.r), Up: c.Phase == running,
		Image: c.Launch.Image, Runtype: c.Launch.Runtype, Args: append([]string{}, c.Launch.Args...), Onstart: c.Launch.Onstart,
		Ports: map[string]string{}, AuthorizedKeys: []string{}, StatusMsg: row.StatusMsg,
	}
	for _, k := range c.SSHKeys {
		in.AuthorizedKeys = append(in.AuthorizedKeys, k.PublicKey)
	}
	for inner, bound := range row.Ports {
		in.Ports[inner] = bound[0].HostPort
	}
	in.Env = c.insideEnv(row, in)
	return in
}

// insideEnv is what the API puts in the container's environment, and what the
// renter asked for. His entries win.
func (c *contract) insideEnv(row instanceRow, in inside) map[string]string {
	env := map[string]string{
		"CONTAINER_ID":        fmt.Sprint(c.ID),
		"CONTAINER_API_KEY":   c.Key,
		"VAST_CONTAINERLABEL": fmt.Sprintf("C.%d", c.ID),
		"PUBLIC_IPADDR":       strings.TrimSpace(row.PublicIPAddr),
		"GPU_COUNT":           fmt.Sprint(c.GPUs),
		"DATA_DIRECTORY":      "/workspace/",
		"SSH_PUBLIC_KEY":      strings.Join(in.AuthorizedKeys, "\n"),
	}
	if c.Launch.mode() == jupyter {
		env["JUPYTER_TOKEN"] = c.Jupyter
		env["JUPYTER_SERVER_ROOT"] = "/"
		env["JUPYTER_SERVER_URL"] = "https://0.0.0.0:8080/"
	}
	for inner, outer := range in.Ports {
		number, protocol, _ := strings.Cut(inner, "/")
		env[fmt.Sprintf("VAST_%s_PORT_%s", strings.ToUpper(protocol), number)] = outer
	}
	for _, entry := range c.Launch.Env {
		if !strings.HasPrefix(entry[0], "-") {
			env[entry[0]] = entry[1]
		}
	}
	return env
}
