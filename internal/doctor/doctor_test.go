package doctor_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/doctor"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

func TestAHealthyOneHasNothing(t *testing.T) {
	p := healthy(t)
	p.rent(label("1hy3k8r0abcdefgh", time.Hour))
	p.write(journal.Intent{Nonce: "1hy3k8r0abcdefgh", Kind: "create", State: journal.Rented})
	p.reap(p.Fingerprint, false)
	r := doctor.Examine(t.Context(), p.Patient)
	for _, c := range r.Checks {
		require.Equal(t, doctor.OK, c.Status, "%+v", c)
		require.Empty(t, c.Fix, c.Name)
	}
	require.Equal(t, "Nothing is wrong.", r.Verdict())
	require.Equal(t, []string{"GET " + "/api/v0" + users, "GET " + instances, "GET /api/v0" + sshKeys, "GET /api/v0" + charges}, p.wire.sent,
		"each thing is asked for once: the API allows five requests in ten seconds")
}

// tree is every file below dir with its content and mode.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			all[path] = "a folder"
			return err
		}
		data, err := os.ReadFile(path)
		info, infoErr := d.Info()
		require.NoError(t, infoErr)
		all[path] = info.Mode().String() + string(data)
		return err
	}))
	return all
}

func TestItChangesNothing(t *testing.T) {
	for name, prepare := range map[string]func(*patient){
		"no state folder":  func(p *patient) { require.NoError(t, os.Remove(p.StateDir)) },
		"no journal":       func(*patient) {},
		"an empty journal": func(p *patient) { touch(t, p.Journal.Path(), 0o600, "") },
		"a journal": func(p *patient) {
			p.write(journal.Intent{Nonce: "n", Kind: "create", State: journal.Unknown})
		},
		"a journal that others may read": func(p *patient) {
			p.write(journal.Intent{Nonce: "n", Kind: "create", State: journal.Unknown})
			require.NoError(t, os.Chmod(p.Journal.Path(), 0o644))
		},
		"a journal of another account": func(p *patient) {
			p.write(journal.Intent{Nonce: "n", Kind: "create", State: journal.Unknown})
			p.wire.answers = map[string]reply{users: {status: 200, body: `{"id":42,"credit":1}`}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := healthy(t)
			prepare(p)
			before := tree(t, filepath.Dir(p.StateDir))
			doctor.Examine(t.Context(), p.Patient)
			require.NoError(t, p.Journal.Close())
			require.Equal(t, before, tree(t, filepath.Dir(p.StateDir)))
			for _, sent := range p.wire.sent {
				require.True(t, strings.HasPrefix(sent, "GET "), sent)
			}
		})
	}
}

func touch(t *testing.T, path string, mode fs.FileMode, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), mode))
	require.NoError(t, os.Chmod(path, mode))
}

func TestItEndsInTimeOnADeadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := healthy(t)
		p.Client = p.connect(vast.WithTransport(dead{}), vast.WithClock(vast.SystemClock{}))
		start := time.Now()
		p.finds("api", doctor.Wrong, "it took too long")
		require.LessOrEqual(t, time.Since(start), 20*time.Second)
		p.finds("state_dir", doctor.OK, "")
		p.finds("journal", doctor.OK, "not there yet")
	})
}

func TestItEndsWhenItIsToldTo(t *testing.T) {
	p := healthy(t)
	p.write(journal.Intent{Nonce: "n", Kind: "create", State: journal.Unknown})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Positive(t, doctor.Examine(ctx, p.Patient).Wrong)
	require.Empty(t, p.wire.sent)
}

func TestReport(t *testing.T) {
	p := healthy(t)
	p.Key = doctor.Key{}
	p.Client = p.anonymous()
	p.Policy.MaxPerHour = nil
	r := doctor.Examine(t.Context(), p.Patient)

	lines := strings.Split(strings.TrimSuffix(r.Text(), "\n"), "\n")
	require.Equal(t, "1 thing is wrong, 1 warning.", lines[len(lines)-1])
	require.Equal(t, "wrong    api_key         no API key was found", lines[0])
	for _, line := range lines {
		require.True(t, len(line) <= 80 || strings.Contains(line, p.StateDir), line)
	}

	raw, err := json.Marshal(r)
	require.NoError(t, err)
	var out struct {
		Checks          []map[string]string
		Wrong, Warnings int
	}
	require.NoError(t, json.Unmarshal(raw, &out))
	require.Equal(t, 1, out.Wrong)
	require.Equal(t, 1, out.Warnings)
	for _, c := range out.Checks {
		require.Len(t, c, 4)
		require.Contains(t, []string{"ok", "warning", "wrong", "skipped"}, c["status"])
		require.NotEmpty(t, c["detail"], c["name"])
	}
}

func TestVerdict(t *testing.T) {
	for want, r := range map[string]doctor.Report{
		"Nothing is wrong.":                 {},
		"Nothing is wrong, 2 warnings.":     {Warnings: 2},
		"1 thing is wrong, 1 warning.":      {Wrong: 1, Warnings: 1},
		"3 things are wrong.":               {Wrong: 3},
		"1 thing is wrong, 2 warnings.":     {Wrong: 1, Warnings: 2},
		"12 things are wrong, 12 warnings.": {Wrong: 12, Warnings: 12},
	} {
		require.Equal(t, want, r.Verdict())
	}
}
