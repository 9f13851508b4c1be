package faults_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// schedule is plain data that follows from a seed, with parts that can be left
// out.
type schedule[P any] interface {
	fmt.Stringer
	parts() int
	without(i int) P
}

// game is one kind of schedule.
type game[P schedule[P]] struct {
	test  string
	write func(seed uint64) P
	run   func(t *testing.T, p P) (trace, broken []string)
}

// play plays the seeds up to n side by side, or the one of FAULTSEED alone, with
// its trace.
func (g game[P]) play(t *testing.T, n int) {
	t.Helper()
	if one := os.Getenv("FAULTSEED"); one != "" {
		seed, err := strconv.ParseUint(one, 10, 64)
		require.NoError(t, err)
		trace, broken := g.run(t, g.write(seed))
		t.Logf("%v%s", g.write(seed), strings.Join(trace, "\n"))
		require.Empty(t, broken)
		return
	}
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			for seed := worker; seed < n && !t.Failed(); seed += workers {
				if _, broken := g.run(t, g.write(uint64(seed))); len(broken) > 0 {
					g.explain(t, uint64(seed))
				}
			}
		})
	}
}

// asked is how many schedules the variable FAULTS asks for, or as many as are
// usual.
func asked(t *testing.T, usual int) int {
	t.Helper()
	more := os.Getenv("FAULTS")
	if more == "" {
		return usual
	}
	n, err := strconv.Atoi(more)
	require.NoError(t, err)
	return n
}

// explain fails the test with the shortest schedule that still breaks a rule.
func (g game[P]) explain(t *testing.T, seed uint64) {
	t.Helper()
	p := g.shrink(t, g.write(seed))
	trace, broken := g.run(t, p)
	t.Errorf("seed %d: %s\nshortened: %v%s\nPlay it again whole: FAULTSEED=%d go test ./internal/faults -run %s -v",
		seed, strings.Join(broken, "\n  "), p, strings.Join(trace, "\n"), seed, g.test)
}

// shrink leaves out whatever can be left out.
func (g game[P]) shrink(t *testing.T, p P) P {
	t.Helper()
	for again := true; again; {
		again = false
		for i := p.parts() - 1; i >= 0; i-- {
			if i >= p.parts() {
				continue // what is left of a list must stay
			}
			q := p.without(i)
			if _, broken := g.run(t, q); len(broken) > 0 {
				p, again = q, true
			}
		}
	}
	return p
}

// cut is a list without one of its entries.
func cut[T any](list []T, i int) []T { return slices.Delete(slices.Clone(list), i, i+1) }
