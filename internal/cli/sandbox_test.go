package cli_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSandboxWeather(t *testing.T) {
	s := newShell(t)
	faults := s.file("faults.json", `[{"op":"gpu_names","when":"before","status":418},{"op":"search","when":"after","truncate":true}]`)
	said := s.serving("sandbox", "--listen", "127.0.0.1:0", "--failures", "live", "--rate-limit", "live",
		"--fault", "gpu_names:before:503:1", "--faults", faults)
	url, _, _ := strings.Cut(said, "\n")
	get := func(path string) (int, string) {
		res, err := http.Get(url + path)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	for _, status := range []int{503, 418, 200} {
		have, _ := get("/api/v0/gpu_names/unique/")
		require.Equal(t, status, have, "the flag's, the file's, and then none")
	}
	status, body := get("/api/v0/bundles/")
	require.Equal(t, 200, status)
	require.False(t, strings.HasSuffix(body, "}"), "cut off")
	_, _ = get("/api/v0/bundles/")
	status, body = get("/api/v0/bundles/")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Contains(t, body, "retry_after")
}
