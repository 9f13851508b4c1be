package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/cli"
)

// program runs vast-mcp in an environment with nothing of ours but env.
func program(t *testing.T, env map[string]string, stdin string, args ...string) (stdout string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "VAST_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name)) // what Setenv noted is put back later
		}
	}
	t.Setenv("HOME", t.TempDir())
	for name, value := range env {
		t.Setenv(name, value)
	}
	var out, problems bytes.Buffer
	require.Equal(t, 0, cli.Main(t.Context(), args, strings.NewReader(stdin), &out, &problems, "1.2.3"), problems.String())
	return out.String()
}

// bundleManifest is the part of a manifest that the tests look at.
type bundleManifest struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	Version     string `json:"version"`
	Server      struct {
		EntryPoint string `json:"entry_point"`
		Config     struct {
			Command string            `json:"command"`
			Env     map[string]string `json:"env"`
		} `json:"mcp_config"`
	} `json:"server"`
	UserConfig map[string]struct {
		Type      string `json:"type"`
		Sensitive bool   `json:"sensitive"`
		Required  bool   `json:"required"`
		Default   any    `json:"default"`
	} `json:"user_config"`
	Compatibility struct {
		Platforms []string `json:"platforms"`
	} `json:"compatibility"`
	Tools []listedTool `json:"tools"`
}

func manifestFor(t *testing.T, b binary) (m bundleManifest) {
	t.Helper()
	data, err := manifest(".", b, "server/vast-mcp")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &m))
	return m
}

// asInstalled is the environment that a client makes of the manifest. A setting
// without a value of its own or a default would arrive as "${user_config...}".
func asInstalled(m bundleManifest, settings map[string]string) map[string]string {
	env := map[string]string{}
	for name, value := range m.Server.Config.Env {
		for key, option := range m.UserConfig {
			text, set := settings[key]
			if !set && option.Default != nil {
				raw, _ := json.Marshal(option.Default)
				text, set = strings.Trim(string(raw), `"`), true
			}
			if set {
				value = strings.ReplaceAll(value, "${user_config."+key+"}", text)
			}
		}
		env[name] = value
	}
	return env
}

func TestAFreshlyInstalledBundleStarts(t *testing.T) {
	m := manifestFor(t, binary{})
	env := asInstalled(m, nil)
	for name, value := range env {
		require.NotContains(t, value, "${", "%s has no default", name)
	}
	require.Len(t, env, len(m.UserConfig), "every setting arrives")
	for name, option := range m.UserConfig {
		require.False(t, option.Required, name)
	}
	require.True(t, m.UserConfig["api_key"].Sensitive)

	const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n"
	var answer struct {
		Result struct {
			ServerInfo struct{ Name, Title, Version string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(program(t, env, hello)), &answer))
	require.Equal(t, answer.Result.ServerInfo.Name, m.Name)
	require.Equal(t, answer.Result.ServerInfo.Title, m.DisplayName)
}

func TestTheSettingsOfABundleHold(t *testing.T) {
	env := asInstalled(manifestFor(t, binary{}), map[string]string{"sandbox": "true", "read_only": "true", "max_dollars_per_hour": "0.5"})
	var account struct {
		Sandbox bool
		Policy  []struct{ Name, Value string }
	}
	require.NoError(t, json.Unmarshal([]byte(program(t, env, "", "call", "get_account")), &account))
	require.True(t, account.Sandbox)
	require.Equal(t, "$0.50 for one instance", account.Policy[0].Value)
	require.Equal(t, "$4.00 for all that run", account.Policy[1].Value)
	require.NotContains(t, program(t, env, "", "tools"), "create_instance")
}

func TestABundleListsTheToolsThatThereAre(t *testing.T) {
	var catalogue struct {
		Tools []listedTool `json:"tools"`
	}
	require.NoError(t, json.Unmarshal([]byte(program(t, nil, "", "tools", "--json")), &catalogue))
	require.NotEmpty(t, catalogue.Tools)
	require.ElementsMatch(t, catalogue.Tools, manifestFor(t, binary{}).Tools)
}

// build makes a tiny program and puts it into a folder under those names.
func build(t *testing.T, names ...string) (dist string) {
	t.Helper()
	source := t.TempDir()
	dist = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(source, "go.mod"), []byte("module vast-mcp\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(source, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", "built", ".")
	cmd.Dir = source
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(filepath.Join(source, "built"))
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dist, name), data, 0o600))
	}
	return dist
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		all[f.Name()] = string(data)
	}
	return all
}

func TestRelease(t *testing.T) {
	dist := build(t, "vast-mcp_linux_amd64", "vast-mcp_windows_arm64.exe")
	require.NoError(t, release(".", dist))
	files := read(t, dist)
	require.Len(t, files, 6)

	require.NoError(t, release(".", dist))
	require.Equal(t, files, read(t, dist), "the same binaries give the same bytes")

	for name, want := range map[string][3]string{
		"vast-mcp_linux_amd64.mcpb":   {"vast-mcp_linux_amd64", "server/vast-mcp", "linux"},
		"vast-mcp_windows_arm64.mcpb": {"vast-mcp_windows_arm64.exe", "server/vast-mcp.exe", "win32"},
	} {
		z, err := zip.NewReader(strings.NewReader(files[name]), int64(len(files[name])))
		require.NoError(t, err)
		require.Len(t, z.File, 2)
		require.Equal(t, want[1], z.File[1].Name)
		require.Equal(t, os.FileMode(0o755), z.File[1].Mode(), "it can be executed")
		require.Equal(t, files[want[0]], unzip(t, z.File[1]))
		var m bundleManifest
		require.NoError(t, json.Unmarshal([]byte(unzip(t, z.File[0])), &m))
		require.Equal(t, want[1], m.Server.EntryPoint)
		require.Equal(t, "${__dirname}/"+want[1], m.Server.Config.Command)
		require.Equal(t, []string{want[2]}, m.Compatibility.Platforms)
		require.Equal(t, unreleased, m.Version, "a build of no commit")
	}

	for line := range strings.Lines(files[checksumsFile]) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		require.Equal(t, checksum([]byte(files[name])), sum)
		delete(files, name)
	}
	delete(files, checksumsFile)
	require.Empty(t, files, "every file has its checksum")
}

func unzip(t *testing.T, f *zip.File) string {
	t.Helper()
	r, err := f.Open()
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(data)
}

func TestReleaseOfWhatIsNone(t *testing.T) {
	require.ErrorContains(t, release(".", t.TempDir()), "run make dist")
	require.Error(t, release(".", filepath.Join(t.TempDir(), "not there")))
	dist := build(t, "vast-mcp_linux_amd64")
	require.NoError(t, os.WriteFile(filepath.Join(dist, "vast-mcp_linux_arm64"), []byte("no binary"), 0o600))
	require.Error(t, release(".", dist))
}

func TestPlainVersion(t *testing.T) {
	for built, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.3-rc.1": "1.2.3-rc.1", "v1.2.3+dirty": "1.2.3", "(devel)": "0.0.0", "": "0.0.0",
		"v0.0.0-20261121153735-bbd5e7712345+dirty": "0.0.0-20261121153735-bbd5e7712345",
	} {
		require.Equal(t, want, plainVersion(built))
	}
}

func registry(t *testing.T) (e entry) {
	t.Helper()
	data, err := registryEntry(".", "1.2.3", map[string]string{"vast-mcp_linux_amd64.mcpb": strings.Repeat("0a", 32)})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &e))
	return e
}

func TestRegistryEntry(t *testing.T) {
	e := registry(t)
	require.Regexp(t, regexp.MustCompile(`^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$`), e.Name)
	require.Equal(t, "io.github."+strings.TrimPrefix(e.Repository.URL, "https://github.com/"), e.Name, "who owns the repository owns the name")
	require.LessOrEqual(t, len(e.Description), 100)
	require.LessOrEqual(t, len(e.Title), 100)
	require.Equal(t, "1.2.3", e.Version)
	require.Len(t, e.Packages, 2)
	oci, mcpb := e.Packages[0], e.Packages[1]
	require.Equal(t, "ghcr.io/vast-mcp/vast-mcp:1.2.3", oci.Identifier)
	require.Equal(t, e.Repository.URL+"/releases/download/v1.2.3/vast-mcp_linux_amd64.mcpb", mcpb.Identifier)
	require.Regexp(t, regexp.MustCompile(`^[a-f0-9]{64}$`), mcpb.FileSHA256)

	m := manifestFor(t, binary{})
	require.Equal(t, m.DisplayName, e.Title)
	env := map[string]string{}
	for _, v := range oci.EnvironmentVariables {
		require.Equal(t, v.Name == "VAST_API_KEY", v.IsSecret, v.Name)
		require.Equal(t, asInstalled(m, nil)[v.Name], v.Default, "%s: the same default as in the bundle", v.Name)
		env[v.Name] = v.Default
	}
	program(t, env, "", "tools")
}

func TestDockerfile(t *testing.T) {
	data, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	file := string(data)
	e := registry(t)
	require.Contains(t, file, `LABEL io.modelcontextprotocol.server.name="`+e.Name+`"`, "the proof of ownership")
	require.Contains(t, file, "\nENTRYPOINT [\"/vast-mcp\"]\n")
	for _, from := range regexp.MustCompile(`(?m)^FROM .*`).FindAllString(file, -1) {
		require.Regexp(t, regexp.MustCompile(`:(\d+\.\d+\.\d+-[a-z]+ AS build|nonroot)$`), from, "pinned, and no root")
	}
	module, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	require.Contains(t, file, "golang:"+string(wanted[1])+".", "the Go of go.mod")

	env := map[string]string{}
	for _, v := range regexp.MustCompile(`(?m)^ENV (\S+)=(\S+)$`).FindAllStringSubmatch(file, -1) {
		env[v[1]] = v[2]
	}
	state := env["VAST_MCP_STATE_DIR"]
	require.NotEmpty(t, state)
	require.Contains(t, file, "\nVOLUME "+state+"\n")
	require.Contains(t, e.Packages[0].RuntimeArguments[0].Value, "target="+state)
	program(t, env, "", "tools")
}
