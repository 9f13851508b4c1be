package sandbox_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func TestEnvVars(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	const p = "/api/v0/secrets/"
	require.Equal(t, obj{"success": true, "secrets": obj{}}, r.do(200, "GET", p, nil))
	require.Equal(t, "Environment variable added successfully", r.do(200, "POST", p, obj{"key": "hf_token", "value": "hf_AbC-1.2"})["msg"])
	require.Equal(t, "Environment variable updated successfully", r.do(200, "PUT", p, obj{"key": "HF_TOKEN", "value": "three"})["msg"])
	require.Equal(t, obj{"HF_TOKEN": "********"}, r.do(200, "GET", p, nil)["secrets"])
	for _, refused := range []struct {
		method, key, value string
		status             int
		code               string
	}{
		{"POST", "HF_TOKEN", "x", 400, "existing_key"},
		{"POST", "", "x", 400, "missing_input"},
		{"POST", "A", "", 400, "missing_input"},
		{"PUT", "A", "x", 400, "nonexistent_key"},
		{"DELETE", "A", "", 400, "nonexistent_key"},
		{"DELETE", "", "", 400, "missing_input"},
		{"POST", "1A", "x", 400, "invalid_args"},
		{"POST", "A", "two words", 400, "invalid_args"},
		{"POST", "path", "x", 403, "blacklisted_key"},
	} {
		out := r.do(refused.status, refused.method, p, obj{"key": refused.key, "value": refused.value})
		require.Equal(t, refused.code, out["error"], refused)
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		require.Equal(t, "invalid_request", r.do(400, method, p, "{")["error"])
	}
	require.Equal(t, "Environment variable deleted successfully", r.do(200, "DELETE", p, obj{"key": "HF_TOKEN"})["msg"])
	require.Empty(t, r.do(200, "GET", p, nil)["secrets"])
	for i := range 100 {
		r.do(200, "POST", p, obj{"key": fmt.Sprintf("A%d", i), "value": "x"})
	}
	require.Equal(t, "max_secrets", r.do(400, "POST", p, obj{"key": "B", "value": "x"})["error"])
}
