package main

import (
	"context"
	"path/filepath"
	"strconv"

	"vast-mcp/vast"
)

// starter is a server that is started again and again.
type starter struct {
	name string
	env  []string
	path string
	args []string
	took timing
}

// startUp measures from the start of a process to its answer to initialize.
func (b *bench) startUp(ctx context.Context) error {
	state := filepath.Join(b.dir, "start")
	all := []*starter{
		{name: "bare server of the library", path: b.path("bare")},
		// Nothing listens at that address, and nothing is asked before a call.
		{name: "vast-mcp", path: b.path("vast-mcp"), args: []string{"--state-dir", state}, env: []string{"VAST_API_KEY=bench", "VAST_URL=http://127.0.0.1:9"}},
		{name: "vast-mcp --sandbox", path: b.path("vast-mcp"), args: []string{"--sandbox", "--state-dir", state}},
	}
	for range b.starts {
		for _, s := range all {
			if err := s.once(ctx); err != nil {
				return err
			}
		}
	}
	rows := [][]string{{"server", "to bare", "median", "p90"}}
	bare := all[0].took.quantile(0.5)
	for _, s := range all {
		median := s.took.quantile(0.5)
		rows = append(rows, []string{s.name, ratio(float64(median), float64(bare)), millis(median), millis(s.took.quantile(0.9))})
	}
	b.table("Start to initialize, "+strconv.Itoa(b.starts)+" starts in turns", rows...)
	return nil
}

func (s *starter) once(ctx context.Context) error {
	clock := vast.SystemClock{}
	began := clock.Now()
	p, err := launch(ctx, s.env, s.path, s.args...)
	if err != nil {
		return err
	}
	defer p.end()
	err = p.ask(hello)
	s.took.took = append(s.took.took, clock.Now().Sub(began))
	return err
}
