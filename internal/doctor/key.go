package doctor

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"

	"vast-mcp/vast"
)

const (
	keysPage = "https://cloud.vast.ai/manage-keys/"
	newKey   = "create an API key at " + keysPage + " and set VAST_API_KEY"
)

func (p Patient) checkKey() Check {
	const name = "api_key"
	k := p.Key
	switch {
	case p.Sandbox:
		return ok(name, "none is needed: the sandbox has its own")
	case k.Err != nil:
		return wrong(name, "put the key, and nothing else, there", "%v", k.Err)
	case k.From == "":
		return wrong(name, newKey+", or add --sandbox to try without an account", "no API key was found")
	case k.Path != "" && openToOthers(k.Path):
		return warning(name, chmod("600", k.Path), "from %s, which other users may read", k.From)
	case k.Session:
		return warning(name, newKey, "from %s: the session of a login with two factors. It ends, and then nothing can be stopped with it", k.From)
	}
	return ok(name, "from %s", k.From)
}

// openToOthers reports whether more than the owner may use the file or folder.
// The modes of Windows do not tell.
func openToOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}

// chmod is the command that keeps others out.
func chmod(mode, path string) string {
	if strings.ContainsRune(path, ' ') {
		path = "'" + path + "'"
	}
	return "chmod " + mode + " " + path
}

// checkPermissions tells what the key may read. What it may change only shows
// when something is changed.
func (a answers) checkPermissions() Check {
	const name = "permissions"
	switch {
	case a.blocked != "" && errors.Is(a.userErr, vast.Denied):
		return wrong(name, newKeyBecause(said(a.userErr)), "the API does not accept the key: %s", said(a.userErr))
	case a.blocked != "":
		return skipped(name, a.blocked)
	case errors.Is(a.listErr, vast.Denied):
		return wrong(name, "give it instance_read and instance_write at "+keysPage, "the key may not list instances, so nothing can be rented with it: %s", said(a.listErr))
	}
	var lacks, without []string
	for _, p := range []struct {
		err         error
		group, tool string
	}{
		{a.userErr, "user_read", "get_account"},
		{a.keysErr, "user_read", "list_ssh_keys"},
		{a.chargesErr, "billing_read", "get_spending"},
	} {
		if errors.Is(p.err, vast.Denied) {
			lacks, without = append(lacks, p.group), append(without, p.tool)
		}
	}
	groups := strings.Join(slices.Compact(lacks), " and ")
	switch {
	case groups != "":
		return warning(name, "give it "+groups+" at "+keysPage, "a limited key: without %s, %s cannot work", groups, strings.Join(without, " and "))
	case a.chargesErr != nil:
		return warning(name, "run doctor again in a moment", "whether the key may read charges is not known: %s", said(a.chargesErr))
	}
	return ok(name, "it may read the account, instances, SSH keys and charges; whether it may rent only shows when it does")
}

// newKeyBecause is the fix for a key that the API refuses for that reason.
func newKeyBecause(reason string) string {
	switch {
	case strings.Contains(reason, "Session expired"):
		return "log in again with the official client, or " + newKey
	case strings.Contains(reason, "Two Factor"):
		return "log in with two factors at Vast.ai, and then " + newKey
	}
	return newKey
}
