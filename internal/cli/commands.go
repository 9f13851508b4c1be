package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"vast-mcp/internal/tool"
)

type stdioCmd struct{}

// Run serves MCP until stdin ends.
func (stdioCmd) Run(ctx context.Context, s *session) error {
	app, err := s.bound(ctx, mcpPace())
	if err != nil {
		return err
	}
	err = app.ServeStdio(ctx, s.stdin, s.stdout)
	err = errors.Join(err, app.Close())
	s.sayHeads(app.Journal())
	return err
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s *session) error {
	_, err := fmt.Fprintln(s.stdout, "vast-mcp", s.version)
	return err
}

type callCmd struct {
	Tool string `arg:"" help:"Name of the tool."`
	Args string `arg:"" optional:"" default:"{}" help:"Arguments as a JSON object, or - to read them from stdin."`
}

// maxInput caps what is read from stdin.
const maxInput = 1 << 20

// Run calls one tool. It never asks.
func (c callCmd) Run(ctx context.Context, s *session) error {
	args := json.RawMessage(c.Args)
	if c.Args == "-" {
		data, err := io.ReadAll(io.LimitReader(s.stdin, maxInput))
		if err != nil {
			return err
		}
		args = data
	}
	if !json.Valid(args) {
		return usage("the arguments are not JSON: write them as one object, like '{\"instance_id\": 1}'")
	}
	app, err := s.bound(ctx, callPace())
	if err != nil {
		return err
	}
	res, err := app.Call(ctx, c.Tool, args, func(line string) { _, _ = fmt.Fprintln(s.stderr, line) })
	if err != nil {
		return errors.Join(&exit{exitUsage, err}, app.Close())
	}
	if err := errors.Join(printResult(s.stdout, res), app.Close()); err != nil {
		return err
	}
	if code := exitCode(res); code != exitOK {
		return &exit{code: code}
	}
	return nil
}

func printResult(w io.Writer, res tool.Result) error {
	line := res.Structured
	if res.Failure != nil {
		var err error
		if line, err = json.Marshal(map[string]any{"error": res.Failure}); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s\n", line)
	return err
}

func exitCode(res tool.Result) int {
	switch {
	case res.Failure != nil, res.Status == tool.Declined:
		return exitError
	case res.Status == tool.ApprovalNeeded:
		return exitApproval
	case res.Status == tool.Unknown:
		return exitUnknown
	}
	return exitOK
}

type toolsCmd struct {
	JSON bool `help:"Print the catalogue as clients get it." name:"json"`
}

// Run shows the catalogue.
func (c toolsCmd) Run(ctx context.Context, s *session) error {
	app, err := s.app(mcpPace())
	if err != nil {
		return err
	}
	if c.JSON {
		raw, err := app.Tools(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.stdout, "%s\n", bytes.TrimSpace(raw))
		return err
	}
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, set := range app.Sets() {
		for _, t := range set.Tools {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Name, set.Name, t.Effect, t.Doc)
		}
	}
	return w.Flush()
}
