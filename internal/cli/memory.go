package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"vast-mcp/internal/plain"
	"vast-mcp/journal"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// journalEnv holds the URL of a PostgreSQL journal. No flag does: the URL may
// hold a password.
const journalEnv = "VAST_MCP_JOURNAL"

// journal is the one that the globals describe: the database that was named,
// for the sandbox too, else a file of the state folder.
func (g *globals) journal() (*journal.Journal, error) {
	url, err := g.journalURL()
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	if url == "" {
		return g.journalFile(g.Sandbox)
	}
	if g.SandboxFresh {
		return nil, usage("--sandbox-fresh empties the sandbox's own journal and not a PostgreSQL one: leave out %s and --journal-url-file with it", journalEnv)
	}
	j, err := journal.Postgres(url, vast.SystemClock{}.Now)
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	return j, nil
}

func (g *globals) journalFile(ofSandbox bool) (*journal.Journal, error) {
	dir, err := g.stateDir()
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	account := "live"
	if ofSandbox {
		account = "sandbox"
	}
	return journal.New(filepath.Join(dir, account, "journal.db"), vast.SystemClock{}.Now), nil
}

// journals are all that a command without a key looks in: the live one and the
// sandbox's, in that order, or the database that holds both.
func (g *globals) journals() ([]*journal.Journal, error) {
	one, err := g.journal()
	if err != nil || one.Path() == "" {
		return []*journal.Journal{one}, err
	}
	live, err := g.journalFile(false)
	if err != nil {
		return nil, err
	}
	simulated, err := g.journalFile(true)
	return []*journal.Journal{live, simulated}, err
}

// ofSandbox tells the rows of the simulated market from those that mean money.
func ofSandbox(realm string) bool {
	return strings.HasPrefix(realm, new(sandbox.Market).Origin()+"#")
}

// journalURL reads where the journal is; empty: in the state folder. Its errors
// never quote what was read.
func (g *globals) journalURL() (string, error) {
	url := strings.TrimSpace(os.Getenv(journalEnv))
	switch {
	case g.JournalURLFile == "":
		return url, nil
	case url != "":
		return "", fmt.Errorf("%s and --journal-url-file both name a journal: leave one out", journalEnv)
	}
	info, err := os.Stat(g.JournalURLFile)
	if err != nil {
		return "", fmt.Errorf("--journal-url-file: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("every user of this machine may read %s, which may hold a password: run chmod 600 %s", g.JournalURLFile, shellQuote(g.JournalURLFile))
	}
	data, err := os.ReadFile(g.JournalURLFile)
	if err != nil {
		return "", fmt.Errorf("--journal-url-file: %w", err)
	}
	if url = strings.TrimSpace(string(data)); url == "" {
		return "", errors.New("--journal-url-file: the file is empty")
	}
	return url, nil
}

// sayHeads tells where the chains stood when a server ended, if it added to
// them: whoever keeps that can tell later whether the journal was cut short.
func (s *session) sayHeads(j *journal.Journal) {
	for _, head := range j.Heads() {
		_, _ = fmt.Fprintf(s.stderr, "vast-mcp: journal head %s (%d events of %s)\n", head.Hash, head.Seq, realmName(head.Realm))
	}
}

// realmName is a realm as people see it.
func realmName(realm string) string {
	if realm == journal.Own {
		return "this journal itself"
	}
	return plain.Line(realm, longestDetail)
}
