package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"vast-mcp/guard"
	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

// program is the built binary, and a state folder of its own.
type program struct {
	t           *testing.T
	path, state string
	env         []string
}

func build(t *testing.T) program {
	t.Helper()
	dir := t.TempDir()
	p := program{t: t, path: filepath.Join(dir, "vast-mcp"), state: filepath.Join(dir, "state"), env: []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}}
	out, err := exec.Command("go", "build", "-o", p.path, "vast-mcp").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return p
}

// fresh is the same binary with another state folder.
func (p program) fresh(t *testing.T) program {
	t.Helper()
	p.t, p.state = t, t.TempDir()
	return p
}

func (p program) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	p.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, p.path, append(args, "--state-dir", p.state)...)
	cmd.Env = p.env
	return cmd
}

// ran is what a command without a terminal said, all of it.
func (p program) piped(stdin string, args ...string) (code int, said string) {
	p.t.Helper()
	cmd := p.command(args...)
	cmd.Stdin, cmd.SysProcAttr = strings.NewReader(stdin), &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		require.NoError(p.t, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// console is a terminal that a program runs in, and the person at it.
type console struct {
	t      *testing.T
	master *os.File
	seen   string
}

// at runs a command in a terminal of its own, where a person goes on as script
// says, and returns its exit code and all that was shown.
func (p program) at(script func(c *console), args ...string) (code int, shown string) {
	p.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, master.Close()) }()
	require.NoError(p.t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(p.t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(p.t, err)
	cmd := p.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(p.t, cmd.Start())
	require.NoError(p.t, slave.Close())
	c := &console{t: p.t, master: master}
	script(c)
	c.until("")
	_ = cmd.Wait() // the exit code tells
	return cmd.ProcessState.ExitCode(), c.seen
}

// until reads what the program shows until that text came up, or to its end.
func (c *console) until(text string) {
	c.t.Helper()
	from := len(c.seen)
	buffer := make([]byte, 4096)
	for text == "" || !strings.Contains(c.seen[from:], text) {
		n, err := c.master.Read(buffer)
		c.seen += string(buffer[:n])
		if err != nil { // EIO: the program has left its terminal
			require.True(c.t, text == "" || strings.Contains(c.seen[from:], text), "%q never came up:\n%s", text, c.seen)
			return
		}
	}
}

// answer waits for a question and types a line.
func (c *console) answer(question, line string) {
	c.t.Helper()
	c.until(question)
	_, err := c.master.WriteString(line + "\n")
	require.NoError(c.t, err)
}

// sets is a person who sets an approver, knowing the one before, if any.
func sets(old, fresh string) func(*console) {
	return func(c *console) {
		if old != "" {
			c.answer("approver's passphrase: ", old)
		}
		c.answer("New passphrase", fresh)
		c.answer("The same again: ", fresh)
	}
}

// types is a person who answers one question.
func types(question, line string) func(*console) {
	return func(c *console) { c.answer(question, line) }
}

const passphrase = "correct horse battery"

// journals are what the program left behind, by their names.
func (p program) journal(name string) *journal.Journal {
	j := journal.New(filepath.Join(p.state, name, "journal.db"), time.Now)
	p.t.Cleanup(func() { require.NoError(p.t, j.Close()) })
	return j
}

func (p program) hasApprover(name string) bool {
	p.t.Helper()
	set, err := guard.HasApprover(p.t.Context(), p.journal(name))
	require.NoError(p.t, err)
	return set
}

func TestTheApproverOnATerminal(t *testing.T) {
	p := build(t)
	t.Run("is set, changed and cleared", p.setsAndClears)
	t.Run("is of one journal", p.setsInTheSandbox)
	t.Run("is nobody without one", p.needsATerminal)
	t.Run("approves", p.approves)
	t.Run("changes limits", p.changesLimits)
	t.Run("leaves a terminal as it was", p.isInterrupted)
}

// changesLimits: a ceiling that a script could lift would be none.
func (p program) changesLimits(t *testing.T) {
	p = p.fresh(t)
	code, said := p.at(sets("", passphrase), "--sandbox", "approver", "set")
	require.Equal(t, 0, code, said)
	set := []string{"--sandbox", "policy", "set", "--max-dollars-per-hour", "1"}
	code, said = p.piped(passphrase+"\n", set...)
	require.Equal(t, 1, code)
	require.Contains(t, said, "this needs a terminal")
	code, said = p.at(types("approver's passphrase: ", "a wrong guess"), set...)
	require.Equal(t, 1, code, said)
	code, said = p.at(types("approver's passphrase: ", passphrase), set...)
	require.Equal(t, 0, code, said)
	code, said = p.piped(passphrase+"\n", "--sandbox", "policy", "clear")
	require.Equal(t, 1, code, said)
	_, said = p.piped("", "--sandbox", "policy")
	require.Contains(t, said, "max_dollars_per_hour  $1.00")
	require.Regexp(t, `approve +operator +approver`, said)
}

func (p program) setsAndClears(t *testing.T) {
	p = p.fresh(t)
	code, shown := p.at(func(c *console) {
		c.answer("New passphrase (at least 8 characters): ", passphrase)
		c.answer("The same again: ", passphrase+"x")
	}, "approver", "set")
	require.Equal(t, 1, code)
	require.Contains(t, shown, "not the same: nothing was changed")
	code, shown = p.at(sets("", "short"), "approver", "set")
	require.Equal(t, 1, code)
	require.Contains(t, shown, "at least 8 characters")
	require.NoDirExists(t, filepath.Join(p.state, "live"))

	code, shown = p.at(sets("", passphrase), "approver", "set")
	require.Equal(t, 0, code, shown)
	require.Contains(t, shown, "only this passphrase approves")
	require.NotContains(t, shown, passphrase, "what is typed is not shown")
	require.True(t, p.hasApprover("live"))

	code, shown = p.at(sets("a wrong guess", "another passphrase"), "approver", "set")
	require.Equal(t, 1, code)
	require.Contains(t, shown, "not the approver's passphrase")
	code, shown = p.at(sets(passphrase, "another passphrase"), "approver", "set")
	require.Equal(t, 0, code, shown)
	code, _ = p.at(types("approver's passphrase: ", passphrase), "approver", "clear")
	require.Equal(t, 1, code, "the old one is worth nothing")
	require.True(t, p.hasApprover("live"))
	code, shown = p.at(types("approver's passphrase: ", "another passphrase"), "approver", "clear")
	require.Equal(t, 0, code, shown)
	require.False(t, p.hasApprover("live"))
}

func (p program) setsInTheSandbox(t *testing.T) {
	p = p.fresh(t)
	code, shown := p.at(sets("", passphrase), "--sandbox", "approver", "set")
	require.Equal(t, 0, code, shown)
	require.True(t, p.hasApprover("sandbox"))
	require.False(t, p.hasApprover("live"))
}

// needsATerminal holds the passphrase out in every other way there is.
func (p program) needsATerminal(t *testing.T) {
	p = p.fresh(t)
	code, said := p.piped(passphrase+"\n"+passphrase+"\n", "approver", "set")
	require.Equal(t, 1, code)
	require.Contains(t, said, "this needs a terminal")
	require.NoDirExists(t, filepath.Join(p.state, "live"))

	code, said = p.at(sets("", passphrase), "--sandbox", "approver", "set")
	require.Equal(t, 0, code, said)
	id, _ := p.quote()
	p.env = append(p.env, "PASSPHRASE="+passphrase, "VAST_PASSPHRASE="+passphrase)
	for _, args := range [][]string{
		{"--sandbox", "approver", "set"},
		{"--sandbox", "approver", "clear"},
		{"approve", id},
	} {
		for _, stdin := range []string{"", "y\n", passphrase + "\n", passphrase + "\n" + passphrase + "\n" + passphrase + "\n"} {
			code, said := p.piped(stdin, args...)
			require.Equal(t, 1, code, said)
			require.Contains(t, said, "this needs a terminal")
		}
		code, _ := p.piped("", append(args, "--passphrase", passphrase)...)
		require.Equal(t, 2, code, "there is no such flag")
		code, _ = p.piped("", append(args, passphrase)...)
		require.Equal(t, 2, code, "nor an argument")
	}
	require.Equal(t, []string{"approver_set"}, p.events("sandbox", journal.Own), "nothing changed, and nothing was tried")
	_, said = p.piped("", "approvals")
	require.Contains(t, said, "waits until")
}

const rent = `{"offer_id":%s,"image":"pytorch/pytorch"}`

// quote asks for a rental in the sandbox and returns the quote's id and the
// command that asked.
func (p program) quote() (id string, ask []string) {
	p.t.Helper()
	_, found := p.piped("", "--sandbox", "--sandbox-speed", "5000", "call", "search_offers", `{"gpu_names":["RTX 4090"],"num_gpus":1,"limit":1}`)
	offer := regexp.MustCompile(`"offer_id":(\d+)`).FindStringSubmatch(found)
	require.Len(p.t, offer, 2, found)
	ask = []string{"--sandbox", "call", "create_instance", fmt.Sprintf(rent, offer[1])}
	code, said := p.piped("", ask...)
	require.Equal(p.t, 3, code, said)
	quoted := regexp.MustCompile(`"quote_id":"(q_\w+)"`).FindStringSubmatch(said)
	require.Len(p.t, quoted, 2, said)
	return quoted[1], ask
}

// events are the kinds that the journal of that name has for a realm.
func (p program) events(name, realm string) (kinds []string) {
	p.t.Helper()
	for _, e := range journaltest.Events(p.t, p.journal(name), realm) {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// approves is the whole loop with an approver, and no code anywhere in it.
func (p program) approves(t *testing.T) {
	p = p.fresh(t)
	code, said := p.at(sets("", passphrase), "--sandbox", "approver", "set")
	require.Equal(t, 0, code, said)
	id, ask := p.quote()
	_, asked := p.piped("", ask...)
	_, waits := p.piped("", "approvals")
	require.Contains(t, asked, "vast-mcp approve "+id)
	require.Contains(t, waits, id+"  Rent 1x RTX 4090")

	refused, notYet := p.at(types("with the passphrase", ""), "approve", id)
	require.Equal(t, 1, refused)
	require.Contains(t, notYet, "Not approved. Nothing was changed.")
	refused, wrong := p.at(types("with the passphrase", "a wrong guess"), "approve", id)
	require.Equal(t, 1, refused)
	require.Contains(t, wrong, "not the approver's passphrase")
	code, _ = p.piped("", ask...)
	require.Equal(t, 3, code)

	code, shown := p.at(types("with the passphrase", passphrase), "approve", id)
	require.Equal(t, 0, code, shown)
	require.Less(t, strings.Index(shown, "at most $"), strings.Index(shown, "with the passphrase"), "what it is comes before the question")
	require.NotContains(t, shown, passphrase)
	code, done := p.piped("", ask...)
	require.Equal(t, 0, code, done)

	waiting, err := p.journal("sandbox").Waiting(t.Context())
	require.NoError(t, err)
	require.Empty(t, waiting)
	out := asked + waits + notYet + wrong + shown + done
	require.NotRegexp(t, `[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b`, out, "no code comes out")
	require.NotContains(t, out, `"code"`)

	id, _ = p.quote()
	code, said = p.piped("", "deny", id)
	require.Equal(t, 0, code, "a no needs no passphrase: %s", said)
}

// isInterrupted is a person who thinks better of it.
func (p program) isInterrupted(t *testing.T) {
	p = p.fresh(t)
	code, shown := p.at(func(c *console) {
		c.until("New passphrase")
		_, err := c.master.WriteString("half a pass\x03")
		require.NoError(t, err)
		c.until("")
		settings, err := unix.IoctlGetTermios(int(c.master.Fd()), unix.TCGETS)
		require.NoError(t, err)
		require.NotZero(t, settings.Lflag&unix.ECHO, "what is typed next is shown again")
	}, "approver", "set")
	require.Equal(t, 1, code, shown)
	require.NoDirExists(t, filepath.Join(p.state, "live"))
}

func TestACodeIsAskedAboutOnATerminal(t *testing.T) {
	p := build(t)
	id, ask := p.quote()
	code, shown := p.at(types("Approve this? [y/N] ", ""), "approve", id)
	require.Equal(t, 1, code)
	require.Contains(t, shown, "Not approved. Nothing was changed.")
	code, shown = p.at(types("Approve this? [y/N] ", "y"), "approve", id)
	require.Equal(t, 0, code, shown)
	require.Less(t, strings.Index(shown, "at most $"), strings.Index(shown, "[y/N]"))
	code, said := p.piped("", ask...)
	require.Equal(t, 0, code, said)
}

// TestDestroyingOnATerminalNeedsNoJournal: where the journal is damaged, whoever
// sits at the terminal is asked.
func TestDestroyingOnATerminalNeedsNoJournal(t *testing.T) {
	p := build(t)
	id, ask := p.quote()
	code, said := p.piped("", "approve", id)
	require.Equal(t, 0, code, said)
	code, said = p.piped("", ask...)
	require.Equal(t, 0, code, said)
	made := regexp.MustCompile(`"instance_id":(\d+)`).FindStringSubmatch(said)
	require.Len(t, made, 2, said)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(filepath.Join(p.state, "sandbox", "journal.db"+suffix)))
	}
	require.NoError(t, os.WriteFile(filepath.Join(p.state, "sandbox", "journal.db"), []byte("this is no database, but long enough to be looked at"), 0o600))

	destroy := []string{"--sandbox", "call", "destroy_instance", fmt.Sprintf(`{"instance_ids":[%s]}`, made[1])}
	code, said = p.piped("y\n", destroy...)
	require.Equal(t, 3, code, said)
	require.Contains(t, said, "vast-mcp call destroy_instance  with the same arguments on a terminal")
	code, shown := p.at(types("Approve this here? [y/N] ", "n"), destroy...)
	require.Equal(t, 1, code, shown)
	require.Contains(t, shown, `"status":"declined"`)
	code, shown = p.at(types("Approve this here? [y/N] ", "y"), destroy...)
	require.Equal(t, 0, code, shown)
	require.Less(t, strings.Index(shown, "Destroy instance "+made[1]), strings.Index(shown, "[y/N]"))
	require.Contains(t, shown, `"status":"done"`)
}
