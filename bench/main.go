package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
)

// options say how long to measure.
type options struct {
	starts   int // of each server
	calls    int // of each server in each setting
	rounds   int // in which the servers take turns
	wear     int // calls before memory is looked at again
	sessions int // that idle
	chapters string
}

func main() {
	if serving(os.Args) {
		exit(serve(context.Background(), os.Args[2:]))
	}
	var o options
	flag.IntVar(&o.starts, "starts", 25, "starts of each server")
	flag.IntVar(&o.calls, "calls", 5000, "calls of each server in each setting")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds in which the servers take turns")
	flag.IntVar(&o.wear, "wear", 20_000, "calls before memory is looked at again")
	flag.IntVar(&o.sessions, "sessions", 1000, "idle HTTP sessions")
	flag.StringVar(&o.chapters, "chapters", "start,calls,memory", "what to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, o, os.Stdout))
}

func exit(err error) {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures and prints.
func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "vast-mcp-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := bench{options: o, dir: dir, out: out}
	if err := b.build(ctx); err != nil {
		return err
	}
	b.printf("%s, %s/%s, %d cores.\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, chapter := range []struct {
		name    string
		measure func(context.Context) error
	}{{"start", b.startUp}, {"calls", b.toolCalls}, {"memory", b.residence}} {
		if !strings.Contains(o.chapters, chapter.name) {
			continue
		}
		if err := chapter.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", chapter.name, err)
		}
	}
	return nil
}

// bench is one run.
type bench struct {
	options

	dir string // for binaries and state
	out io.Writer
}

func (b *bench) path(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.dir, name)
}

// build makes the binaries as a release does, without symbols.
func (b *bench) build(ctx context.Context) error {
	for name, pkg := range map[string]string{"vast-mcp": "vast-mcp", "bare": "vast-mcp/bench/bare"} {
		build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", b.path(name), pkg) //nolint:gosec // names are ours
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
	}
	return nil
}

func (b *bench) printf(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format, args...) }

// table prints a Markdown table.
func (b *bench) table(title string, rows ...[]string) {
	b.printf("\n### %s\n\n", title)
	for i, row := range rows {
		b.printf("| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.printf("|%s\n", strings.Repeat("---|", len(row)))
		}
	}
}
