package doctor_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/doctor"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

func TestInstances(t *testing.T) {
	p := healthy(t)
	p.finds("instances", doctor.OK, "there are none")
	p.rent("by hand")
	p.finds("instances", doctor.OK, "1 of 1 running, $")
	p.finds("instances", doctor.OK, "/h in all; 0 of the running have a lease")
	p.rent(label("1hy3k8r0abcdefgh", time.Hour))
	p.finds("instances", doctor.OK, "2 of 2 running")
	p.finds("instances", doctor.OK, "1 of the running have a lease")
	late := p.rent(label("1hy3k8r0abcdefgj", -time.Hour))
	p.finds("instances", doctor.Warning, "it is over for "+itoa(late))
	require.NoError(t, p.Client.Instances.Stop(t.Context(), late))
	p.finds("instances", doctor.OK, "2 of 3 running")

	for answer, c := range map[string]struct {
		status doctor.Status
		says   string
	}{
		`{"success":true,"instances":[],"total_instances":3}`: {doctor.Wrong, "cannot be relied on: got 0 instances, and the total that the API gave is 3"},
		`{"success":true}`: {doctor.Wrong, "no instances in the answer"},
	} {
		p.wire.answers = map[string]reply{instances: {status: 200, body: answer}}
		p.finds("instances", c.status, c.says)
		p.finds("other_journals", doctor.Skipped, "could not be listed")
	}
	p.wire.answers = map[string]reply{instances: refused("lacks")}
	p.finds("instances", doctor.Skipped, "may not list instances")
}

func TestSSHKeys(t *testing.T) {
	p := healthy(t)
	p.finds("ssh_keys", doctor.OK, "1 on the account")
	for _, c := range []struct {
		answer reply
		status doctor.Status
		says   string
	}{
		{reply{status: 200, body: `[]`}, doctor.Warning, "nobody can log in"},
		{reply{status: 500, body: `{}`}, doctor.Warning, "cannot be read"},
		{refused("lacks"), doctor.Skipped, "may not read SSH keys"},
	} {
		p.wire.answers = map[string]reply{sshKeys: c.answer}
		p.finds("ssh_keys", c.status, c.says)
	}
}

func TestCredit(t *testing.T) {
	p := healthy(t)
	p.finds("credit", doctor.OK, "$100.00 is left")
	p.rent("x")
	p.finds("credit", doctor.OK, "$100.00 is left, enough for ")
	for body, c := range map[string]struct {
		status doctor.Status
		says   string
	}{
		`{"id":1,"credit":0}`:    {doctor.Warning, "$0.00 is left"},
		`{"id":1,"credit":-1.5}`: {doctor.Warning, "-$1.50 is left"},
		`{"id":1,"credit":4,"has_billing":true,"autobill_amount":25}`: {doctor.Warning, "autobill charges the card $25.00 when it runs low, so the credit is no ceiling"},
	} {
		p.wire.answers = map[string]reply{users: {status: 200, body: body}}
		p.finds("credit", c.status, c.says)
	}
	p.wire.answers = map[string]reply{users: refused("lacks")}
	p.finds("credit", doctor.Skipped, "may not read the account")
}

func TestPolicy(t *testing.T) {
	p := healthy(t)
	p.finds("policy", doctor.OK, "max_dollars_per_hour $1.00 for one instance")
	p.Policy.MaxPerHour = nil
	p.finds("policy", doctor.Warning, "set is only daily_budget $9.00 on each UTC day, default_lease 24 h, max_lease 168 h")
	p.Policy.MaxInstances = new(2)
	p.finds("policy", doctor.OK, "max_instances 2 running")
	p.Policy.MaxInstances, p.Policy.MaxTotalPerHour = nil, new(2*usd.Dollar)
	p.finds("policy", doctor.OK, "max_total_dollars_per_hour $2.00")
	p.Policy.DailyBudget = nil
	p.finds("policy", doctor.Warning, "nothing limits what a day may cost")
}

func TestPolicyNamesWhatIsStored(t *testing.T) {
	p := healthy(t)
	p.store(guard.Ceiling{Limits: map[string]string{guard.LimitDailyBudget: "3"}})
	p.finds("policy", doctor.OK, "max_dollars_per_hour $1.00 for one instance, daily_budget $3.00 on each UTC day (ceiling)")
	p.edit(`UPDATE settings SET body = '{"limits":{"moon-phase":"full"}}'`)
	p.finds("policy", doctor.Wrong, "moon-phase: there is no such limit")
}

func TestStateDir(t *testing.T) {
	p := healthy(t)
	p.finds("state_dir", doctor.OK, p.StateDir)
	require.NoError(t, os.Chmod(p.StateDir, 0o755))
	require.Equal(t, "chmod 700 "+p.StateDir, p.finds("state_dir", doctor.Warning, "other users may look into").Fix)

	there := p.StateDir
	p.StateDir = filepath.Join(there, "not", "there")
	p.finds("state_dir", doctor.OK, "is not there yet and is made on first use")
	file := filepath.Join(there, "file")
	touch(t, file, 0o600, "")
	p.StateDir = file
	p.finds("state_dir", doctor.Wrong, "is not a folder")
	p.StateDir = filepath.Join(file, "below")
	p.finds("state_dir", doctor.Wrong, "not a directory")
	p.StateDir = filepath.Join(there, "loop")
	require.NoError(t, os.Symlink(p.StateDir, p.StateDir))
	p.finds("state_dir", doctor.Wrong, "loop")
}

func TestRoom(t *testing.T) {
	require.Equal(t, doctor.OK, doctor.CheckRoom("dir", 64<<20).Status)
	full := doctor.CheckRoom("dir", 64<<20-1)
	require.Equal(t, doctor.Warning, full.Status)
	require.Equal(t, "dir has only 63 MB left", full.Detail)
	require.NotEmpty(t, full.Fix)
}

func TestAFolderThatCannotBeWrittenTo(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	p := healthy(t)
	require.NoError(t, os.Chmod(p.StateDir, 0o500))
	p.finds("state_dir", doctor.Wrong, "cannot be written to")
	p.StateDir = filepath.Join(p.StateDir, "below")
	p.finds("state_dir", doctor.Wrong, "cannot be made in")
}

func TestJournal(t *testing.T) {
	p := healthy(t)
	p.finds("journal", doctor.OK, "not there yet, made on first use")
	p.write(journal.Intent{Nonce: "n", Kind: "create", State: journal.Rented})
	p.finds("journal", doctor.OK, "its 2 events are whole")

	p.wire.answers = map[string]reply{users: {status: 500}}
	p.finds("journal", doctor.OK, "its 2 events are whole")
	p.finds("orders", doctor.Skipped, "the account is not known")
	p.wire.answers = nil

	require.NoError(t, os.Chmod(p.Journal.Path(), 0o640))
	require.NoError(t, p.Journal.Close())
	p.finds("journal", doctor.Warning, "other users may read")
	p.finds("orders", doctor.Skipped, "was not opened")
	require.NoError(t, os.Chmod(p.Journal.Path(), 0o600))

	p.edit(`UPDATE events SET data = '3' WHERE seq = 2`)
	p.finds("journal", doctor.Wrong, "does not follow from the one before it")
	p.edit(`INSERT INTO schema_version (version) VALUES (99)`)
	require.NoError(t, p.Journal.Close())
	p.finds("journal", doctor.Wrong, "written by a newer vast-mcp")
	touch(t, p.Journal.Path(), 0o600, "this is no database, however long one looks at it")
	p.finds("journal", doctor.Wrong, "not a database")
	p.finds("orders", doctor.Skipped, "does not open")
	p.finds("other_journals", doctor.Skipped, "does not open")
}

func TestAJournalThatCannotBeThere(t *testing.T) {
	p := healthy(t)
	file := filepath.Join(p.StateDir, "file")
	touch(t, file, 0o600, "")
	p.Journal = journal.New(filepath.Join(file, "journal.db"), now)
	p.finds("journal", doctor.Wrong, "not a directory")
}

func TestAJournalInMemory(t *testing.T) {
	p := healthy(t)
	p.Journal = journal.New("", now)
	p.finds("journal", doctor.OK, "its 0 events are whole")
}

func TestOrders(t *testing.T) {
	for state, status := range map[journal.IntentState]doctor.Status{
		journal.Prepared: doctor.Warning, journal.Sent: doctor.Warning, journal.Unknown: doctor.Warning, journal.Undoing: doctor.Warning,
		journal.Rented: doctor.OK, journal.Refused: doctor.OK, journal.Ended: doctor.OK,
	} {
		for name, answers := range map[string]map[string]reply{
			"an account":                 nil,
			"a team":                     {users: {status: 200, body: `{"id":42,"credit":1,"team_id":7}`}},
			"a key that may not read it": {users: refused("lacks")},
		} {
			p := healthy(t)
			p.wire.answers = answers
			p.finds("orders", doctor.OK, "none")
			p.write(journal.Intent{Nonce: "n", Tool: "create_instance", Kind: "create", State: state, Rate: usd.Dollar})
			says := "none"
			if status == doctor.Warning {
				says = "1 still being settled: create_instance (" + string(state) + ", $1.00/h)"
			}
			require.NotEmpty(t, name)
			p.finds("orders", status, says)
		}
	}
	p := healthy(t)
	p.write(journal.Intent{Nonce: "n", Tool: "stop_instance", Kind: "act", State: journal.Sent})
	p.finds("orders", doctor.OK, "none")
}

func TestOtherJournals(t *testing.T) {
	p := healthy(t)
	p.rent("by hand")
	p.finds("other_journals", doctor.OK, "")
	ours := p.rent(label("1hy3k8r0abcdefgh", time.Hour))
	p.finds("other_journals", doctor.Warning, itoa(ours))
	p.write(journal.Intent{Nonce: "1hy3k8r0abcdefgh", Kind: "create", State: journal.Rented})
	p.finds("other_journals", doctor.OK, "")
	theirs := p.rent(label("1hy3k8r0abcdefgj", time.Hour))
	require.NotContains(t, p.finds("other_journals", doctor.Warning, itoa(theirs)).Detail, itoa(ours))
}

func TestTheReaper(t *testing.T) {
	p := healthy(t)
	p.finds("reaper", doctor.OK, "none was ever at work")
	p.reap("another key", false)
	p.finds("reaper", doctor.Warning, "whether it may is not known")
	p.reap("another key", true)
	p.finds("reaper", doctor.OK, "was at work")
	p.reap(p.Fingerprint, false)
	p.finds("reaper", doctor.OK, "was at work at 2026-11-21T12:00:00Z")
	p.Now = func() time.Time { return now().Add(11 * time.Minute) }
	p.finds("reaper", doctor.Warning, "worked last at 2026-11-21T12:00:00Z")
}

func TestALeaseThatNobodyWouldEnd(t *testing.T) {
	p := healthy(t)
	p.rent(label("0000000abcdefghj", time.Hour))
	p.write(journal.Intent{Nonce: "0000000abcdefghj", Kind: "create", State: journal.Rented})
	p.finds("reaper", doctor.Warning, "only while a server runs")
}
