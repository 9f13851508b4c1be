package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vast-mcp/internal/doctor"
	"vast-mcp/internal/server"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

type doctorCmd struct {
	JSON bool `help:"Print one JSON object." name:"json"`
}

// Run looks for what is wrong and says how to fix it.
func (c doctorCmd) Run(ctx context.Context, s *session) error {
	p, err := s.patient()
	if err != nil {
		return err
	}
	report := doctor.Examine(ctx, p)
	if err := errors.Join(c.print(s, report), p.Journal.Close()); err != nil {
		return err
	}
	if report.Wrong > 0 {
		return &exit{code: exitError}
	}
	return nil
}

func (c doctorCmd) print(s *session, r doctor.Report) error {
	if c.JSON {
		return json.NewEncoder(s.stdout).Encode(r)
	}
	_, err := fmt.Fprint(s.stdout, r.Text())
	return err
}

// patient gathers what the globals describe. It makes no file: where there is no
// simulated market yet, it takes one in memory.
func (s *session) patient() (doctor.Patient, error) {
	if s.globals.SandboxFresh || s.globals.SandboxSpeed != 0 {
		return doctor.Patient{}, usage("doctor changes nothing: leave --sandbox-fresh and --sandbox-speed out")
	}
	dir, err := s.globals.stateDir()
	if err != nil {
		return doctor.Patient{}, &exit{exitUsage, err}
	}
	clock := vast.SystemClock{}
	p := doctor.Patient{Sandbox: s.globals.Sandbox, Policy: s.globals.policy(), StateDir: dir, Now: clock.Now}
	if p.Journal, err = s.globals.journal(); err != nil {
		return doctor.Patient{}, err
	}
	if p.Sandbox {
		p.Client, p.ClientErr = s.sandboxClient(dir, clock)
		return p, nil
	}
	if os.Getenv("VAST_URL") != "" {
		p.AddressFrom = "VAST_URL"
	}
	if p.Key = s.globals.foundKey(); p.Key.Err != nil {
		return p, nil //nolint:nilerr // the report says it
	}
	c := server.Config{Clock: clock}
	p.ClientErr = s.liveWorld(&c)
	p.Client, p.Fingerprint = c.Client, c.Fingerprint
	return p, nil
}

// sandboxClient is one of the stored market, or of a new one in memory.
func (s *session) sandboxClient(dir string, clock vast.Clock) (*vast.Client, error) {
	c := server.Config{Clock: clock}
	if _, err := os.Stat(filepath.Join(dir, "sandbox", "market.json")); err == nil {
		err := s.sandboxWorld(&c, dir)
		return c.Client, err
	}
	market, err := sandbox.Open(sandbox.Options{})
	if err != nil {
		return nil, err
	}
	return vast.NewClient(market.Key(), vast.WithBaseURL(market.Origin()), vast.WithTransport(market.Transport()))
}

// foundKey tells where the key is that apiKey finds.
func (g *globals) foundKey() doctor.Key {
	key, from, err := g.apiKey()
	switch {
	case err != nil:
		return doctor.Key{Err: err}
	case key == "":
		return doctor.Key{}
	case from == keyEnv:
		return doctor.Key{From: keyEnv}
	}
	return doctor.Key{From: from, Path: from, Session: filepath.Base(from) == sessionKeyFile}
}
