package install_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/install"
)

// home is a home folder on the disk.
type home struct {
	t    *testing.T
	at   install.Place
	c    install.Client
	file string
}

func newHome(t *testing.T, id string) home {
	t.Helper()
	at := install.Place{
		OS: "linux", Home: t.TempDir(), Env: func(string) string { return "" },
		Exists: func(path string) bool { _, err := os.Stat(path); return err == nil },
	}
	return home{t, at, client(t, id), client(t, id).Path(at)}
}

func (h home) write(doc string, mode fs.FileMode) {
	h.t.Helper()
	require.NoError(h.t, os.MkdirAll(filepath.Dir(h.file), 0o700))
	require.NoError(h.t, os.WriteFile(h.file, []byte(doc), mode))
}

func (h home) read(path string) string {
	h.t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(h.t, err)
	return string(data)
}

func (h home) mode(path string) fs.FileMode {
	h.t.Helper()
	info, err := os.Stat(path)
	require.NoError(h.t, err)
	return info.Mode().Perm()
}

// files lists what is in the file's folder.
func (h home) files() (names []string) {
	h.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(h.file))
	require.NoError(h.t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (h home) install(s install.Server) install.Outcome {
	h.t.Helper()
	out, err := h.c.Install(h.at, s)
	require.NoError(h.t, err)
	require.Equal(h.t, h.file, out.Path)
	return out
}

func (h home) uninstall() install.Outcome {
	h.t.Helper()
	out, err := h.c.Uninstall(h.at, server())
	require.NoError(h.t, err)
	return out
}

func TestInstallThenUninstallLeavesNoTrace(t *testing.T) {
	for id, documents := range map[string]map[string]string{"cursor": jsonDocuments(), "codex": tomlDocuments()} {
		for name, doc := range documents {
			t.Run(id+" "+name, func(t *testing.T) {
				h := newHome(t, id)
				h.write(doc, 0o600)
				out := h.install(server())
				require.Equal(t, install.Added, out.Change)
				require.Equal(t, h.file+".vast-mcp.bak", out.Backup)
				require.Equal(t, doc, h.read(out.Backup))
				require.Equal(t, install.Unchanged, h.install(server()).Change)

				out = h.uninstall()
				require.Equal(t, install.Restored, out.Change)
				require.Empty(t, out.Backup)
				require.Equal(t, doc, h.read(h.file))
				require.Equal(t, []string{filepath.Base(h.file)}, h.files())
				require.Equal(t, install.Unchanged, h.uninstall().Change)
			})
		}
	}
}

func TestEveryClientFromNothing(t *testing.T) {
	for _, c := range install.Clients() {
		h := newHome(t, c.ID)
		file, entry, err := c.Installed(h.at, server())
		require.NoError(t, err)
		require.False(t, file || entry)
		require.Equal(t, install.Unchanged, h.uninstall().Change, "there is nothing to take out")

		first := &install.Entry{Command: []string{"/usr/local/bin/vast-mcp", "--sandbox"}}
		require.Equal(t, install.Outcome{Path: h.file, Change: install.Added, Is: first}, h.install(server()))
		require.Equal(t, fs.FileMode(0o600), h.mode(h.file))
		if dir := filepath.Dir(h.file); dir != h.at.Home {
			require.Equal(t, fs.FileMode(0o700), h.mode(dir))
		}
		file, entry, err = c.Installed(h.at, server())
		require.NoError(t, err)
		require.True(t, file && entry)

		other := server()
		other.Args, other.Key = nil, "key"
		second := &install.Entry{Command: []string{"/usr/local/bin/vast-mcp"}, Key: true}
		require.Equal(t, install.Outcome{Path: h.file, Change: install.Updated, Was: first, Is: second}, h.install(other), "%s: no backup of what we wrote", c.ID)
		require.Contains(t, h.read(h.file), "key")
		require.True(t, h.install(server()).Is.Key, "the key stays")
		require.Contains(t, []install.Change{install.Deleted, install.Removed}, h.uninstall().Change)
	}
}

func TestTheFileThatWasMadeIsDeleted(t *testing.T) {
	h := newHome(t, "zed")
	h.install(server())
	out := h.uninstall()
	require.Equal(t, install.Deleted, out.Change)
	require.NotNil(t, out.Was)
	require.Nil(t, out.Is)
	require.Empty(t, h.files())
}

func TestUninstallFromAFileThatWentOn(t *testing.T) {
	h := newHome(t, "zed")
	h.write("{\n  \"theme\": \"dark\"\n}\n", 0o600)
	h.install(server())
	went := `{"theme": "light", "context_servers": {"vast": {"command": "vast-mcp", "enabled": true}}}`
	h.write(went, 0o600)
	out := h.uninstall()
	require.Equal(t, install.Removed, out.Change)
	require.Equal(t, `{"theme": "light"}`, h.read(h.file), "the section was not there before")
	require.Equal(t, "{\n  \"theme\": \"dark\"\n}\n", h.read(out.Backup), "the backup stays")

	h.install(server())
	require.Equal(t, `{"theme": "light"}`, h.read(out.Backup), "an entry that comes in anew replaces it")
	other := server()
	other.Args = nil
	require.Equal(t, install.Updated, h.install(other).Change)
	require.Equal(t, `{"theme": "light"}`, h.read(out.Backup), "an update does not")
}

func TestTwoEntriesShareOneBackup(t *testing.T) {
	h := newHome(t, "cursor")
	h.write("{ }", 0o600)
	live, trial := server(), server()
	live.Key, trial.Name = "key", "vast-trial"
	h.install(live)
	out := h.install(trial)
	require.Equal(t, install.Added, out.Change)
	require.Equal(t, "{ }", h.read(out.Backup), "not the file with the key")
	_, err := h.c.Uninstall(h.at, trial)
	require.NoError(t, err)
	require.Equal(t, install.Restored, h.uninstall().Change)
	require.Equal(t, "{ }", h.read(h.file))
}

func TestModes(t *testing.T) {
	for before, after := range map[fs.FileMode]fs.FileMode{0o644: 0o600, 0o600: 0o600, 0o666: 0o600, 0o400: 0o400} {
		h := newHome(t, "cursor")
		h.write("{}", before)
		out := h.install(server())
		require.Equal(t, after, h.mode(h.file), "%o", before)
		require.Equal(t, after, h.mode(out.Backup))
	}
}

func TestALinkStaysALink(t *testing.T) {
	h := newHome(t, "cursor")
	target := filepath.Join(h.at.Home, "dotfiles.json")
	require.NoError(t, os.WriteFile(target, []byte("{}"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Dir(h.file), 0o700))
	require.NoError(t, os.Symlink("../dotfiles.json", h.file))

	out := h.install(server())
	require.Contains(t, h.read(target), "vast-mcp")
	require.Equal(t, filepath.Dir(h.file), filepath.Dir(out.Backup), "beside the link, not in the dotfiles")
	require.Equal(t, install.Restored, h.uninstall().Change)
	link, err := os.Readlink(h.file)
	require.NoError(t, err)
	require.Equal(t, "../dotfiles.json", link)
	require.Equal(t, "{}", h.read(target))

	require.NoError(t, os.Remove(target))
	_, err = h.c.Install(h.at, server())
	require.ErrorContains(t, err, "link to a file that is not there")
	require.NoError(t, os.WriteFile(target, nil, 0o600))
	out = h.install(server())
	require.NoError(t, os.Remove(out.Backup))
	require.Equal(t, install.Deleted, h.uninstall().Change)
	require.NoFileExists(t, target)
	require.Empty(t, h.files(), "no link to nowhere")
}

func TestFilesThatAreRefused(t *testing.T) {
	for name, prepare := range map[string]func(h home){
		"it is JSON that is cut short": func(h home) { h.write("{", 0o600) },
		"is not a vast-mcp":            func(h home) { h.write(`{"mcpServers": {"vast": {"command": "npx"}}}`, 0o600) },
		"is not a file":                func(h home) { require.NoError(h.t, os.MkdirAll(h.file, 0o700)) },
		"link to a file that is not":   func(h home) { h.write("", 0o600); os.Remove(h.file); os.Symlink("nowhere", h.file) },
		"not a directory":              func(h home) { os.WriteFile(filepath.Dir(h.file), nil, 0o600) },
		"comments inside the entry": func(h home) {
			h.write("{\"mcpServers\": {\"vast\": {\"command\": \"vast-mcp\", \"args\": [/**/]}}}", 0o600)
		},
		"stands there twice: take one out": func(h home) { h.write(`{"mcpServers": {}, "mcpServers": {}}`, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, "cursor")
			prepare(h)
			before, _ := os.ReadFile(h.file)
			_, err := h.c.Install(h.at, server())
			require.ErrorContains(t, err, name)
			after, _ := os.ReadFile(h.file)
			require.Equal(t, before, after)
			require.NoFileExists(t, h.file+".vast-mcp.bak")
			require.LessOrEqual(t, len(glob(t, filepath.Dir(h.file))), 1, "nothing is left beside it")
		})
	}
}

func glob(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	return append(all, hidden...)
}

func TestAFileThatChangesMeanwhileIsLeftAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile func(path string) error
		left      []string
	}{
		"changed": {func(path string) error { return os.WriteFile(path, []byte("theirs"), 0o600) }, []string{"file"}},
		"deleted": {os.Remove, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, []byte("before"), 0o600))
			err := install.ReplaceAfter(path, []byte("ours"), func() { require.NoError(t, tc.meanwhile(path)) })
			require.ErrorContains(t, err, "another program changed the file")
			var left []string
			for _, file := range glob(t, filepath.Dir(path)) {
				left = append(left, filepath.Base(file))
			}
			require.Equal(t, tc.left, left)
		})
	}
	path := filepath.Join(t.TempDir(), "file")
	err := install.ReplaceAfter(path, []byte("ours"), func() { require.NoError(t, os.WriteFile(path, []byte("theirs"), 0o600)) })
	require.ErrorContains(t, err, "another program changed the file", "one that was not there before")
}
