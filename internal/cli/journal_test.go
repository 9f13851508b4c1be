package cli_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/journal"
)

// onEach runs f with the sandbox's journal in every kind of database.
func onEach(t *testing.T, f func(s shell, p journaltest.Place)) {
	t.Helper()
	journaltest.Each(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		s := newShell(t)
		if p.URL != "" {
			t.Setenv("VAST_MCP_JOURNAL", p.URL)
		} else {
			p = p.At(filepath.Join(s.state, "sandbox", "journal.db"))
		}
		f(s, p)
	})
}

// rented makes some events, and returns the code of the quote.
func (s shell) rented() string {
	s.t.Helper()
	args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, s.offer())
	_, out := s.call("create_instance", args)
	code := out["quote"].(map[string]any)["code"].(string)
	r := s.run("approve", code)
	require.Equal(s.t, 0, r.code, r.stderr)
	require.Contains(s.t, r.stdout, "sandbox: no real money")
	r, _ = s.call("create_instance", args)
	require.Equal(s.t, 0, r.code, r.stdout)
	return code
}

func (s shell) journal(args ...string) ran {
	s.t.Helper()
	return s.run(append([]string{"--sandbox", "journal"}, args...)...)
}

func TestTheJournalIsShown(t *testing.T) {
	onEach(t, func(s shell, _ journaltest.Place) {
		code := s.rented()
		r := s.journal()
		require.Equal(s.t, 0, r.code, r.stderr)
		require.Empty(s.t, r.stderr)
		at := 0
		for _, said := range []string{"https://sandbox.invalid#", "  quoted", "Rent 1x", "  approved", "command, same user", "  redeemed", "  sent", "  rented"} {
			next := strings.Index(r.stdout[at:], said)
			require.GreaterOrEqual(s.t, next, 0, "%s, oldest first, in\n%s", said, r.stdout)
			at += next
		}
		for line := range strings.Lines(r.stdout) {
			require.LessOrEqual(s.t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
		}
		require.NotContains(s.t, r.stdout+s.journal("--json").stdout, code, "a code is in no export")

		require.Equal(s.t, 1, strings.Count(s.journal("--kind", "redeemed", "--json").stdout, "\n"))
		last := s.journal("--last", "2", "--json").stdout
		require.Equal(s.t, 2, strings.Count(last, "\n"))
		require.True(s.t, strings.HasSuffix(s.journal("--json").stdout, last))
		require.Equal(s.t, r.stdout, s.journal("--since", "1h").stdout)
		require.Empty(s.t, s.journal("--since", "1ns").stdout)
		require.Empty(s.t, s.journal("--realm", "another").stdout)
		var e journal.Event
		require.NoError(s.t, json.Unmarshal([]byte(strings.SplitN(last, "\n", 2)[0]), &e))
		require.Contains(s.t, s.journal("--subject", e.Subject, "--realm", e.Realm, "--json").stdout, last)
	})
}

func TestTheJournalIsVerified(t *testing.T) {
	onEach(t, func(s shell, p journaltest.Place) {
		s.rented()
		all := s.journal("--json").stdout
		n := strings.Count(all, "\n")
		r := s.journal("--verify")
		require.Equal(s.t, 0, r.code, r.stderr)
		require.Regexp(s.t, fmt.Sprintf(`^https://sandbox.invalid#\d+: %d events, head [0-9a-f]{64}\n$`, n), r.stdout)
		require.Equal(s.t, r.stdout, s.feed(all, "journal", "--check", "-").stdout, "an export says the same without a database")

		p.Edit(`UPDATE events SET subject = 'q_x' WHERE seq = 2`)
		r = s.journal("--verify")
		require.Equal(s.t, 1, r.code)
		require.Contains(s.t, r.stderr, `event 2 of "https://sandbox.invalid#`)
		r = s.journal("--json")
		require.Equal(s.t, 1, r.code, "listing sees it too")
		require.Equal(s.t, n, strings.Count(r.stdout, "\n"), "and still shows everything")
		require.Equal(s.t, 1, strings.Count(r.stderr, "does not follow"), "the damage is named once")
		require.Equal(s.t, 1, s.feed(r.stdout, "journal", "--check", "-").code)
	})
}

func TestAnExportIsChecked(t *testing.T) {
	s := newShell(t)
	s.rented()
	all := s.journal("--json").stdout
	lines := strings.SplitAfter(strings.TrimSuffix(all, "\n"), "\n")
	for name, c := range map[string]struct {
		text string
		code int
		says string
	}{
		"whole":           {all, 0, fmt.Sprintf(": %d events, head ", len(lines))},
		"a chosen few":    {lines[1] + lines[2], 0, ": whole as far as it goes: 2 of 3 events, head "},
		"nothing":         {"", 0, ""},
		"edited":          {strings.Replace(all, "RTX 4090", "RTX 5090", 1), 1, "event 1 of"},
		"in another turn": {lines[1] + lines[0], 1, "event 1 of"},
		"no export":       {"hello", 1, "line 1 is no event"},
	} {
		r := s.run("journal", "--check", s.file("export", c.text))
		require.Equal(t, c.code, r.code, name)
		require.Contains(t, r.stdout+r.stderr, c.says, name)
	}
	require.Equal(t, 2, s.run("journal", "--check", "/no/such/file").code)
}

func TestUsageOfJournal(t *testing.T) {
	s := newShell(t)
	for _, args := range [][]string{
		{"--verify", "--last", "1"}, {"--verify", "--json"}, {"--check", "x", "--realm", "y"}, {"--check", "x", "--verify"}, {"--last", "-1"}, {"--since", "-1h"},
	} {
		require.Equal(t, 2, s.run(append([]string{"journal"}, args...)...).code, args)
	}
	r := s.run("journal")
	require.Equal(t, 0, r.code)
	require.Contains(t, r.stderr, "there is no journal yet")
	require.Empty(t, r.stdout)
	require.NoDirExists(t, s.state, "it makes nothing")
}

func TestAServerSaysWhereTheJournalStood(t *testing.T) {
	onEach(t, func(s shell, _ journaltest.Place) {
		args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, s.offer())
		call := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"%s","arguments":%s}}` + "\n"
		hello := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n"
		r := s.feed(hello+fmt.Sprintf(call, "search_offers", `{}`), "--sandbox")
		require.NotContains(s.t, r.stderr, "journal head", "it appended nothing")
		r = s.feed(hello+fmt.Sprintf(call, "create_instance", args), "--sandbox")
		require.Equal(s.t, 0, r.code, r.stderr)
		require.Regexp(s.t, `vast-mcp: journal head [0-9a-f]{64} \(1 events of https://sandbox.invalid#\d+\)`, r.stderr)
		_, head, _ := strings.Cut(s.journal("--verify").stdout, "head ")
		require.Contains(s.t, r.stderr, strings.TrimSpace(head))
		r, _ = s.call("create_instance", strings.Replace(args, "pytorch/pytorch", "x/y", 1))
		require.NotContains(s.t, r.stderr, "journal head", "a call says nothing")
	})
}

func TestWhereTheJournalIs(t *testing.T) {
	s := newShell(t)
	refused := func(says string, args ...string) {
		t.Helper()
		r := s.run(append(args, "journal")...)
		require.Equal(t, 2, r.code)
		require.Contains(t, r.stderr, says)
		require.NotContains(t, r.stderr, "canary")
	}
	const secret = "postgres://me:canary@127.0.0.1:1/base"
	path := s.file("url", secret+"\n")
	require.NoError(t, os.Chmod(path, 0o644))
	refused("run chmod 600 "+path, "--journal-url-file", path)
	require.NoError(t, os.Chmod(path, 0o600))
	refused("the file is empty", "--journal-url-file", s.file("empty", " \n"))
	refused("no such file", "--journal-url-file", path+"x")
	refused("postgres://USER:PASSWORD@HOST/DATABASE", "--journal-url-file", s.file("other", "mysql://canary"))

	for _, args := range [][]string{{"journal"}, {"--sandbox", "journal"}} {
		r := s.run(append(args, "--journal-url-file", path)...)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.stderr, "cannot be reached: connection refused")
		require.NotContains(t, r.stderr, "canary")
	}
	r := s.run("approvals", "--journal-url-file", path)
	require.Contains(t, r.stderr, "PostgreSQL cannot be read")
	require.NotContains(t, r.stderr, "canary")

	t.Setenv("VAST_MCP_JOURNAL", secret)
	refused("both name a journal", "--journal-url-file", path)
	refused("--sandbox-fresh", "--sandbox", "--sandbox-fresh")
	r = s.run("install", "cursor")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "--journal-url-file")
	r = s.run("--sandbox", "doctor", "--json")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, `"detail":"PostgreSQL: journal: the database of the journal cannot be reached: connection refused"`)
	require.NotContains(t, r.stdout+r.stderr, "canary")
}

func TestTwoMachinesShareOneJournal(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		one := newShell(t)
		path := one.file("url", p.URL)
		t.Setenv("VAST_MCP_JOURNAL_URL_FILE", path)
		args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, one.offer())
		_, out := one.call("create_instance", args)
		require.Contains(t, out["message"], "--journal-url-file "+path)
		code := out["quote"].(map[string]any)["code"].(string)

		other := shell{t, filepath.Join(t.TempDir(), "state")}
		require.Contains(t, other.run("approvals").stdout, code)
		require.Equal(t, 1, strings.Count(other.run("approvals").stdout, code), "the one database is read once")
		require.Equal(t, 0, other.run("approve", code).code)
		r, _ := one.call("create_instance", args)
		require.Equal(t, 0, r.code)
		require.Equal(t, one.journal("--verify").stdout, other.run("journal", "--verify").stdout)
		_, err := os.Stat(filepath.Join(one.state, "sandbox", "journal.db"))
		require.ErrorIs(t, err, os.ErrNotExist)

		check := one.doctor(0, "--sandbox")["journal"]
		require.Equal(t, "ok", check.Status)
		require.Regexp(t, `it opens with synchronous_commit on, and its \d+ events are whole: PostgreSQL$`, check.Detail)
		u, err := url.Parse(p.URL)
		require.NoError(t, err)
		require.NotContains(t, one.run("--sandbox", "doctor").stdout, u.Host)
	})
}

func TestDoctorMakesNoJournalInADatabase(t *testing.T) {
	journaltest.Postgres(t, func(t *testing.T, p journaltest.Place) {
		t.Helper()
		s := newShell(t)
		t.Setenv("VAST_MCP_JOURNAL", p.URL)
		for range 2 {
			require.Contains(t, s.doctor(0, "--sandbox")["journal"].Detail, "not there yet, made on first use: PostgreSQL")
			require.Contains(t, s.journal().stderr, "there is no journal yet: PostgreSQL")
		}
		fresh, err := p.Open(time.Now).Fresh(t.Context())
		require.NoError(t, err)
		require.True(t, fresh)
	})
}
