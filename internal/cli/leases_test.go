package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// TestLeasesAndOrphans: the commands print for people what the tools answer for
// programs, and the command for each orphan works when it is pasted.
func TestLeasesAndOrphans(t *testing.T) {
	s := newShell(t)
	sandbox := func(args ...string) ran {
		return s.run(append([]string{"--sandbox", "--sandbox-speed", "5000"}, args...)...)
	}
	r := sandbox("orphans")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "no record of earlier orders here")
	require.Contains(t, sandbox("leases").stdout, "No instance has a lease.")

	s.rented()
	require.Contains(t, sandbox("leases").stdout, "ended by the instance itself")
	r = sandbox("leases", "--json")
	require.Equal(t, 0, r.code)
	var l struct {
		Leases []struct {
			InstanceID int64 `json:"instance_id"`
		} `json:"leases"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &l))
	require.Len(t, l.Leases, 1)
	r = sandbox("orphans")
	require.Equal(t, 0, r.code, r.stdout)
	require.Contains(t, r.stdout, "Nothing is left:")

	require.NoError(t, os.RemoveAll(filepath.Join(s.state, "sandbox", "journal.db")))
	require.Contains(t, sandbox("leases").stdout, "no record of earlier orders here")
}

// TestOrphansOfAnAccount exits as cron wants it, against an API with one machine
// of somebody else's.
func TestOrphansOfAnAccount(t *testing.T) {
	machines, status := `{"id":7,"label":"a\u001b[2Jb","intended_status":"running","cur_state":"running","actual_status":"running","dph_total":0.5,"start_date":1000}`, 200
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		switch {
		case strings.Contains(r.URL.Path, "/instances/"):
			_, _ = fmt.Fprintf(w, `{"success":true,"instances":[%s],"instances_found":1,"total_instances":1,"next_token":null}`, machines)
		case strings.Contains(r.URL.Path, "/volumes/"):
			_, _ = fmt.Fprint(w, `{"volumes":[]}`)
		case strings.Contains(r.URL.Path, "/charges/"):
			_, _ = fmt.Fprint(w, `{"results":[{"start":1000,"source":"instance-7","type":"instance","amount":1.25}]}`)
		default:
			_, _ = fmt.Fprint(w, `{"id":1,"email":"a@b.c"}`)
		}
	}))
	t.Cleanup(api.Close)
	s := newShell(t)
	t.Setenv("VAST_URL", api.URL)
	t.Setenv("VAST_API_KEY", "a-key-for-tests")
	r := s.run("orphans")
	require.Equal(t, 1, r.code, r.stderr)
	require.Contains(t, r.stdout, "a[2Jb: no lease: not rented by vast-mcp")
	require.Contains(t, r.stdout, `
  vast-mcp call stop_instance '{"instance_id":7}' --state-dir `+s.state+"\n")
	for line := range strings.Lines(r.stdout) {
		if !strings.HasPrefix(line, "  vast-mcp ") {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
		}
	}
	r = s.run("orphans", "--json")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, `"next":"stop_instance {\"instance_id\":7}"`)
	require.NoFileExists(t, filepath.Join(s.state, "live", "journal.db"), "a look makes no journal")

	r = s.run("leases")
	require.Equal(t, 0, r.code)
	require.Contains(t, r.stdout, "Without a lease: 1.")

	status = 401
	for _, command := range []string{"leases", "orphans"} {
		r = s.run(command)
		require.Equal(t, 1, r.code)
		require.Empty(t, r.stdout)
		require.Contains(t, r.stderr, "access_denied")
		require.Contains(t, r.stderr, "Next: ")
	}
	require.Equal(t, 2, s.run("orphans", "--limit", "3").code)
}
