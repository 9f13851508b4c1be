package sandbox

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

const (
	maxEnvVars = 100
	maxEnvKey  = 255
)

var (
	envKey   = regexp.MustCompile(`^[A-Za-z_]\w*$`)
	envValue = regexp.MustCompile(`^[a-zA-Z0-9_\-.]+$`)
)

func envVarRoutes() []route {
	const path = "/api/v0/secrets/"
	return []route{
		{method: http.MethodGet, path: path, op: "env_vars", access: inUserRead, handle: (*tx).listEnvVars},
		{method: http.MethodPost, path: path, op: "env_var_create", access: inUserWrite, writes: true, handle: (*tx).addEnvVar},
		{method: http.MethodPut, path: path, op: "env_var_update", access: inUserWrite, writes: true, handle: (*tx).updateEnvVar},
		{method: http.MethodDelete, path: path, op: "env_var_delete", access: inUserWrite, writes: true, handle: (*tx).deleteEnvVar},
	}
}

// listEnvVars answers GET /secrets/, which never tells a value.
func (t *tx) listEnvVars() answer {
	values := map[string]string{}
	for _, name := range t.st.Account.EnvVars {
		values[name] = masked
	}
	return reply(map[string]any{"success": true, "secrets": values})
}

// envVar reads the variable in the request, whose name the API writes in
// capitals.
func (t *tx) envVar(withValue bool) (string, answer, bool) {
	var in struct{ Key, Value string }
	if !t.unmarshalBody(&in) {
		return "", badJSON(), false
	}
	refused := func(status int, code, msg string) (string, answer, bool) { return "", refuse(status, code, msg), false }
	name := strings.ToUpper(in.Key)
	switch {
	case name == "" || (withValue && in.Value == ""):
		return refused(http.StatusBadRequest, "missing_input", "Please provide both a key and a value.")
	case len(name) > maxEnvKey || !envKey.MatchString(name):
		return refused(http.StatusBadRequest, "invalid_args", "Invalid args: key must be a name of letters, digits and _")
	case withValue && !envValue.MatchString(in.Value):
		return refused(http.StatusBadRequest, "invalid_args", "Invalid args: value may have letters, digits, and _ - . only")
	case slices.Contains([]string{"PATH", "LD_PRELOAD", "CONTAINER_ID", "CONTAINER_API_KEY"}, name):
		return refused(http.StatusForbidden, "blacklisted_key", "This environment variable can't be set.")
	}
	return name, answer{}, true
}

// addEnvVar answers POST /secrets/.
func (t *tx) addEnvVar() answer {
	name, refusal, ok := t.envVar(true)
	if !ok {
		return refusal
	}
	h := &t.st.Account
	if slices.Contains(h.EnvVars, name) {
		return refuse(http.StatusBadRequest, "existing_key", "This environment variable exists already.")
	}
	if len(h.EnvVars) >= maxEnvVars {
		return refuse(http.StatusBadRequest, "max_secrets", "There are too many environment variables.")
	}
	h.EnvVars = append(h.EnvVars, name)
	return reply(outcome{Success: true, Msg: "Environment variable added successfully"})
}

// updateEnvVar answers PUT /secrets/. Nothing tells values, so there is
// nothing to change.
func (t *tx) updateEnvVar() answer {
	name, refusal, ok := t.envVar(true)
	if !ok {
		return refusal
	}
	if !slices.Contains(t.st.Account.EnvVars, name) {
		return noSuchEnvVar()
	}
	return reply(outcome{Success: true, Msg: "Environment variable updated successfully"})
}

// deleteEnvVar answers DELETE /secrets/, whose name is in the body.
func (t *tx) deleteEnvVar() answer {
	name, refusal, ok := t.envVar(false)
	if !ok {
		return refusal
	}
	h := &t.st.Account
	i := slices.Index(h.EnvVars, name)
	if i < 0 {
		return noSuchEnvVar()
	}
	h.EnvVars = slices.Delete(h.EnvVars, i, i+1)
	return reply(outcome{Success: true, Msg: "Environment variable deleted successfully"})
}

func noSuchEnvVar() answer {
	return refuse(http.StatusBadRequest, "nonexistent_key", "There is no such environment variable.")
}
