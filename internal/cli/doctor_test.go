package cli_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// doctor runs vast-mcp doctor --json and returns its checks by name.
func (s shell) doctor(code int, args ...string) map[string]finding {
	s.t.Helper()
	r := s.run(append(args, "doctor", "--json")...)
	require.Equal(s.t, code, r.code, r.stdout+r.stderr)
	require.Empty(s.t, r.stderr)
	var report struct {
		Checks []finding
		Wrong  int
	}
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &report))
	require.Equal(s.t, code, min(report.Wrong, 1))
	all := map[string]finding{}
	for _, f := range report.Checks {
		all[f.Name] = f
	}
	return all
}

type finding struct{ Name, Status, Detail, Fix string }

func TestDoctorInTheSandbox(t *testing.T) {
	s := newShell(t)
	all := s.doctor(0, "--sandbox")
	require.Contains(t, all["api"].Detail, "simulated market")
	require.Equal(t, "ok", all["instances"].Status)
	_, err := os.Stat(s.state)
	require.ErrorIs(t, err, os.ErrNotExist, "it makes nothing")

	_, _ = s.call("create_instance", `{"offer_id":1,"image":"x/y"}`)
	before, err := os.ReadFile(filepath.Join(s.state, "sandbox", "market.json"))
	require.NoError(t, err)
	require.Equal(t, "ok", s.doctor(0, "--sandbox")["instances"].Status)
	after, err := os.ReadFile(filepath.Join(s.state, "sandbox", "market.json"))
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))

	require.NoError(t, os.WriteFile(filepath.Join(s.state, "sandbox", "market.json"), []byte("{"), 0o600))
	require.Equal(t, "wrong", s.doctor(1, "--sandbox")["api"].Status)

	r := s.run("--sandbox", "--sandbox-fresh", "doctor")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "doctor changes nothing")
}

func TestDoctorForPeople(t *testing.T) {
	r := newShell(t).run("doctor", "--max-instances", "2", "--daily-budget", "5")
	require.Equal(t, 1, r.code)
	require.Empty(t, r.stderr, "everything was said")
	require.Contains(t, r.stdout, "wrong    api_key         no API key was found\n")
	require.Contains(t, r.stdout, "\n1 thing is wrong.\n")
}

func TestDoctorNamesWhereTheKeyIs(t *testing.T) {
	market, err := sandbox.Open(sandbox.Options{})
	require.NoError(t, err)
	server := httptest.NewServer(market)
	t.Cleanup(server.Close)
	for file, status := range map[string]string{
		".config/vastai/vast_tfa_key": "warning", ".config/vastai/vast_api_key": "ok", ".vast_api_key": "ok", "of-my-own": "ok", "": "ok",
	} {
		s := newShell(t)
		t.Setenv("VAST_URL", server.URL)
		path, from := filepath.Join(os.Getenv("HOME"), file), "VAST_API_KEY"
		var args []string
		if file == "" {
			t.Setenv("VAST_API_KEY", " "+market.Key()+"\n")
		} else {
			from = path
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(market.Key()+"\n"), 0o600))
		}
		if file == "of-my-own" {
			args = []string{"--api-key-file", path}
		}
		all := s.doctor(0, args...)
		require.Equal(t, status, all["api_key"].Status)
		require.Contains(t, all["api_key"].Detail, "from "+from)
		require.Equal(t, finding{"api", "ok", server.URL + " (from VAST_URL) answers", ""}, all["api"])
		require.Equal(t, "ok", all["permissions"].Status)
	}
	s := newShell(t)
	t.Setenv("VAST_URL", server.URL)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(s.state, "config"))
	path := filepath.Join(s.state, "config", "vastai", "vast_api_key")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(market.Key()), 0o600))
	require.Contains(t, s.doctor(0)["api_key"].Detail, "from "+path)
}

func TestDoctorOfWhatCannotEvenStart(t *testing.T) {
	s := newShell(t)
	t.Setenv("VAST_API_KEY", "two words")
	all := s.doctor(1)
	require.Contains(t, all["api_key"].Detail, "is not an API key")
	require.NotContains(t, all["api_key"].Detail, "two words")
	require.Equal(t, "skipped", all["api"].Status)

	t.Setenv("VAST_API_KEY", "one-word")
	t.Setenv("VAST_URL", "http://example.invalid")
	all = s.doctor(1)
	require.Contains(t, all["api"].Detail, "VAST_URL")
	require.Equal(t, "wrong", all["api"].Status)
	require.Equal(t, "skipped", all["instances"].Status)
}
