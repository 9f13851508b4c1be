package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"vast-mcp/internal/faultpoint"
	"vast-mcp/internal/tool"
)

const envPrefix = "VAST_MCP_"

// rentalEnv is ours inside instances: the nonce of the rental that the program
// runs in. It configures nothing.
const rentalEnv = envPrefix + "RENTAL"

// nameEnvironment gives every flag its variable: VAST_MCP_<FLAG> for global
// flags, VAST_MCP_<COMMAND>_<FLAG> for a command's own. Flags tagged noenv have
// none.
func nameEnvironment(k *kong.Kong) error {
	for _, flag := range k.Model.Flags {
		nameFlag(flag, "")
	}
	for _, command := range k.Model.Children {
		for _, flag := range command.Flags {
			nameFlag(flag, command.Name)
		}
	}
	return nil
}

func nameFlag(flag *kong.Flag, command string) {
	if flag.Name == "help" || flag.Tag.Has("noenv") {
		return
	}
	name := flag.Name
	if command != "" {
		name = command + "-" + name
	}
	flag.Envs = []string{envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
	flag.Tag.Envs = flag.Envs // which is what kong reads
}

// given reports whether the flag is set by anything but its default, and whether
// that is the command line.
func given(k *kong.Context, flag *kong.Flag) (set, typed bool) {
	typed = slices.ContainsFunc(k.Path, func(p *kong.Path) bool { return p.Flag == flag })
	return typed || slices.ContainsFunc(flag.Envs, func(name string) bool {
		_, found := os.LookupEnv(name)
		return found
	}), typed
}

// checkEnvironment refuses variables that look like ours and are none: a
// misspelled limit must not be no limit.
func checkEnvironment(app *kong.Application, environ []string) error {
	known := []string{faultpoint.Env, rentalEnv, tokenEnv, journalEnv}
	collect := func(flags []*kong.Flag) {
		for _, f := range flags {
			known = append(known, f.Envs...)
		}
	}
	collect(app.Flags)
	for _, command := range app.Children {
		collect(command.Flags)
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case !strings.HasPrefix(name, envPrefix):
		case !slices.Contains(known, name):
			return fmt.Errorf("the environment has %s, which means nothing here%s", name, tool.DidYouMean(name, known))
		case name == faultpoint.Env && !slices.Contains(faultpoint.Points(), faultpoint.Point(value)):
			return fmt.Errorf("%s names no point: %q is none of %v", name, value, faultpoint.Points())
		case value == "" && name != rentalEnv:
			return fmt.Errorf("the environment variable %s is empty: unset it or give it a value", name)
		}
	}
	return nil
}
