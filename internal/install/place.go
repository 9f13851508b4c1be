package install

import (
	"path/filepath"
	"regexp"
	"strings"
)

// Place is where one user's clients keep their files. All its fields are
// needed.
type Place struct {
	OS     string                   // as runtime.GOOS: linux, darwin, windows
	Home   string                   // the user's home folder
	Env    func(name string) string // the environment; empty for what is not set
	Exists func(path string) bool
}

func (p Place) join(parts ...string) string {
	if p.OS == "windows" {
		return strings.Join(parts, `\`)
	}
	return strings.Join(parts, "/")
}

// folder is what the environment names, if it is an absolute path: a relative
// one means another folder in every process.
func (p Place) folder(variable string, otherwise ...string) string {
	dir := p.Env(variable)
	if strings.HasPrefix(dir, "/") || p.OS == "windows" && (filepath.IsAbs(dir) || drive.MatchString(dir)) {
		return dir
	}
	return p.join(otherwise...)
}

var drive = regexp.MustCompile(`^[A-Za-z]:[\\/]`)

// config is the XDG folder, which some clients use on every system.
func (p Place) config() string { return p.folder("XDG_CONFIG_HOME", p.Home, ".config") }

// appData is where desktop programs keep their settings.
func (p Place) appData() string {
	switch p.OS {
	case "windows":
		return p.folder("APPDATA", p.Home, "AppData", "Roaming")
	case "darwin":
		return p.join(p.Home, "Library", "Application Support")
	}
	return p.config()
}

var throwaway = regexp.MustCompile(`[/\\]go-build\d*[/\\]b\d+[/\\]exe[/\\]|[/\\]go-build[/\\][0-9a-f]{2}[/\\][0-9a-f]+-d[/\\]`)

// IsThrowaway reports whether the program at path was built by "go run": its
// file is gone after the run, or when Go trims its cache.
func IsThrowaway(path string) bool { return throwaway.MatchString(path) }
