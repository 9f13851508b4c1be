package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	maxCommand = 512
	// statusBadBody is the API's own for a body of a command that is no JSON.
	statusBadBody = 483
	// metacharacters would do more than one command in a shell.
	metacharacters = ";|&$<>(){}[]*?!~#`\\'\"\n"
)

func commandRoutes() []route {
	return []route{
		{method: http.MethodPut, path: "/api/v0/instances/command/{id}/", op: "execute", access: inInstanceWrite, writes: true, handle: (*tx).execute},
	}
}

// execute answers PUT /instances/command/{id}/: ls, rm or du on the disk of
// an instance that is stopped.
func (t *tx) execute() answer {
	id, ok := t.id()
	if !ok {
		return refuse(http.StatusBadRequest, "invalid_container_id", "Invalid instance id.")
	}
	c := t.st.contract(id)
	if c == nil {
		return refuse(http.StatusBadRequest, "invalid_container", "No such instance.")
	}
	var in struct {
		Command string `json:"command"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return refuse(statusBadBody, "invalid_args", "Invalid json_body")
	}
	words := strings.Fields(in.Command)
	switch {
	case len(words) == 0 || len(in.Command) > maxCommand || strings.ContainsAny(in.Command, metacharacters),
		!slices.Contains([]string{"ls", "rm", "du"}, words[0]):
		return invalidArgs("Invalid command given.")
	case !c.isStopped():
		return invalidArgs("Commands run on stopped instances only. Use ssh to run commands on a running instance.")
	}
	d := c.disk()
	lines := d.run(words[0], words[1:])
	c.Removed = d.removed
	path := t.m.objects.put(t.st.Seed, t.now, strings.Join(append(lines, ""), "\n"))
	return reply(map[string]any{
		"success": true, "writeable_path": c.writeablePath(), "result_url": baseURL(t.r) + path,
		"msg": "Command is executing, wait a few seconds and then view the result_url",
	})
}

// isStopped is true of an instance whose disk is there and in nobody's use.
func (c *contract) isStopped() bool {
	return c.isDown() || (c.Intended == wantStopped && (c.Phase == created || c.Phase == unstarted))
}

// writeablePath is where the host keeps the container's files. It stands in
// front of paths in the output of a command.
func (c *contract) writeablePath() string {
	return fmt.Sprintf("/var/lib/docker/vast/C.%d", c.ID)
}
