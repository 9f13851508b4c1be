package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"vast-mcp/internal/install"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
)

type installCmd struct {
	Client  string `arg:"" optional:"" help:"The client. Without it, all are listed."`
	Name    string `help:"Name of the entry." default:"vast"`
	WithKey bool   `help:"Write the API key into the entry. Otherwise the server looks for it when it starts."`
	Print   bool   `help:"Print the entry and change nothing." xor:"instead"`
	Remove  bool   `help:"Take the entry out again." xor:"instead"`
}

var entryName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) // what every client allows

// Run writes this server into a client's configuration.
func (c installCmd) Run(k *kong.Context, s *session) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	at := install.Place{OS: runtime.GOOS, Home: home, Env: os.Getenv, Exists: func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}}
	if !entryName.MatchString(c.Name) {
		return usage("--name may have letters, digits, - and _ only")
	}
	command, err := program()
	if err != nil {
		return err
	}
	server := install.Server{Name: c.Name, Command: command, Args: serverArgs(k)}
	if c.Client == "" {
		return c.list(s, at, server)
	}
	client, err := findClient(c.Client)
	if err != nil {
		return err
	}
	switch {
	case c.Remove:
		return c.remove(s, at, client, server)
	case os.Getenv(journalEnv) != "":
		return usage("%s is set here, and the client would not hand it on: put the URL in a file and name that with --journal-url-file", journalEnv)
	case c.Print:
		return c.show(s, at, client, server)
	}
	return c.install(s, at, client, server)
}

func findClient(id string) (install.Client, error) {
	var known []string
	for _, client := range install.Clients() {
		if client.ID == id {
			return client, nil
		}
		known = append(known, client.ID)
	}
	return install.Client{}, usage("no client %q is known here%s; there are %s", id, tool.DidYouMean(id, known), strings.Join(known, ", "))
}

// list shows the clients, their files and whether the server is in them.
func (c installCmd) list(s *session, at install.Place, server install.Server) error {
	if c.Print || c.Remove || c.WithKey {
		return usage("name the client; vast-mcp install lists them")
	}
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, client := range install.Clients() {
		file, entry, err := client.Installed(at, server)
		state := "no file"
		switch {
		case err != nil:
			state = "unusable"
		case entry:
			state = "installed"
		case file:
			state = "file"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", client.ID, state, client.Path(at))
	}
	return w.Flush()
}

// show prints the entry.
func (c installCmd) show(s *session, at install.Place, client install.Client, server install.Server) error {
	if c.WithKey {
		server.Key = "YOUR_API_KEY" // the real one would end up in scrollbacks and transcripts
	}
	entry, err := client.Preview(server)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "For %s, in %s:\n\n%s", client.Name, client.Path(at), entry)
	if command := client.Command(server); command != nil && err == nil {
		_, err = fmt.Fprintf(s.stdout, "\nOr by its own command:\n\n%s\n", quoted(command))
	}
	return err
}

func (c installCmd) install(s *session, at install.Place, client install.Client, server install.Server) error {
	if install.IsThrowaway(server.Command) {
		return usage("go run deletes this program when it ends: make one that stays with go build or go install, and let that install itself")
	}
	var err error
	if c.WithKey {
		if server.Key, err = c.key(s.globals); err != nil {
			return err
		}
	}
	out, err := client.Install(at, server)
	if err != nil {
		return fmt.Errorf("%w; nothing was changed. To add it by hand: vast-mcp install %s --print", err, client.ID)
	}
	said := map[install.Change]string{install.Unchanged: "is in it already: nothing changed", install.Added: "added", install.Updated: "updated"}
	lines := []string{
		fmt.Sprintf("%s: %s", client.Name, out.Path),
		fmt.Sprintf("  entry   %q %s", server.Name, said[out.Change]),
		"  runs    " + quoted(out.Is.Command),
	}
	if out.Change == install.Updated && !slices.Equal(out.Was.Command, out.Is.Command) {
		lines = append(lines, "  ran     "+quoted(out.Was.Command))
	}
	if out.Backup != "" {
		lines = append(lines, "  backup  "+out.Backup)
	}
	lines = append(lines, "  undo    "+c.again(client, "--remove"))
	if out.Change != install.Unchanged {
		lines = append(lines, "Next: restart "+client.Name+".")
	}
	if advice := keyAdvice(s.globals, client); advice != "" && !out.Is.Key {
		lines = append(lines, advice)
	}
	_, err = fmt.Fprintln(s.stdout, strings.Join(lines, "\n"))
	return err
}

func (c installCmd) remove(s *session, at install.Place, client install.Client, server install.Server) error {
	out, err := client.Uninstall(at, server)
	if err != nil {
		return err
	}
	said := map[install.Change]string{
		install.Unchanged: "is not in it: nothing changed",
		install.Removed:   "removed",
		install.Restored:  "removed; the file is what it was before, and the backup is gone",
		install.Deleted:   "removed; nothing else was in the file, and it is gone",
	}
	text := fmt.Sprintf("%s: %s\n  entry   %q %s\n", client.Name, out.Path, server.Name, said[out.Change])
	if out.Backup != "" {
		text += "  backup  " + out.Backup + " from before it was installed\n"
	}
	if out.Change != install.Unchanged {
		text += "Next: restart " + client.Name + ".\n"
	}
	_, err = fmt.Fprint(s.stdout, text)
	return err
}

// key is the API key that goes into the entry.
func (c installCmd) key(g *globals) (string, error) {
	if g.Sandbox || g.APIKeyFile != "" {
		return "", usage("--with-key does not go with --sandbox, which needs no key, nor with --api-key-file, which the entry names already")
	}
	key, _, err := g.apiKey()
	if err == nil && key == "" {
		err = usage("there is no API key to write: set VAST_API_KEY and run this again")
	}
	return key, err
}

// keyAdvice says what is missing for the server to have a key.
func keyAdvice(g *globals, client install.Client) string {
	if g.Sandbox || g.APIKeyFile != "" {
		return ""
	}
	key, _, err := g.apiKey()
	switch {
	case err != nil:
		return "But no API key can be read: " + err.Error()
	case key == "":
		return "There is no API key yet: put one into a file and add --api-key-file FILE, or set VAST_API_KEY and add --with-key."
	case os.Getenv("VAST_API_KEY") != "":
		return fmt.Sprintf("The API key is in VAST_API_KEY, which not every client hands on. If %s has none, add --with-key.", client.Name)
	}
	return ""
}

// again is this command with another flag.
func (c installCmd) again(client install.Client, flag string) string {
	command := "vast-mcp install " + client.ID + " " + flag
	if c.Name != "vast" {
		command += " --name " + c.Name
	}
	return command
}

func quoted(words []string) string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = shellQuote(word)
	}
	return strings.Join(all, " ")
}

// program is the path of this program. Of several the one in PATH is taken,
// which stays the same when a package manager changes what it links to.
func program() (string, error) {
	running, err := os.Executable()
	if err != nil {
		return "", err
	}
	found, err := exec.LookPath(os.Args[0])
	if err != nil {
		return running, nil //nolint:nilerr // then it is started by its path
	}
	if found, err = filepath.Abs(found); err == nil && sameFile(found, running) {
		return found, nil
	}
	return running, nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a) //nolint:gosec // it is only compared
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}

// serverArgs are the global flags that are set, be it by the environment, which
// the client need not hand on: a limit must not get lost on the way.
func serverArgs(k *kong.Context) []string {
	var args []string
	for _, flag := range k.Model.Flags {
		if set, _ := given(k, flag); set {
			args = append(args, flagArg(flag))
		}
	}
	return args
}

// flagArg writes a flag as it is typed.
func flagArg(flag *kong.Flag) string {
	value := reflect.Indirect(flag.Target).Interface()
	switch v := value.(type) {
	case bool:
		if v {
			return "--" + flag.Name
		}
	case []string:
		return "--" + flag.Name + "=" + kong.JoinEscaped(v, ',')
	case entries:
		return "--" + flag.Name + "=" + strings.Join(v, ",")
	case usd.Amount:
		return "--" + flag.Name + "=" + strings.TrimPrefix(v.String(), "$")
	}
	return fmt.Sprintf("--%s=%v", flag.Name, value)
}
