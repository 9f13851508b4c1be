package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/journal"
)

// TestSchedules plays seeded schedules of failures, crashes, two processes and
// clocks that jump, and counts: no second order, no second machine, none that
// the journal does not know, no limit passed, nothing said that was not so.
func TestSchedules(t *testing.T) {
	if one := os.Getenv("FAULTSEED"); one != "" {
		seed, err := strconv.ParseUint(one, 10, 64)
		require.NoError(t, err)
		trace, broken := run(t, write(seed))
		t.Logf("%v%s", write(seed), strings.Join(trace, "\n"))
		require.Empty(t, broken)
		return
	}
	n := seeds
	if more := os.Getenv("FAULTS"); more != "" {
		var err error
		n, err = strconv.Atoi(more)
		require.NoError(t, err)
	}
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			for seed := worker; seed < n && !t.Failed(); seed += workers {
				if _, broken := run(t, write(uint64(seed))); len(broken) > 0 {
					explain(t, write(uint64(seed)))
				}
			}
		})
	}
}

// explain fails the test with the shortest program that still breaks a rule.
func explain(t *testing.T, p program) {
	t.Helper()
	p = shrink(t, p)
	trace, broken := run(t, p)
	t.Errorf("seed %d: %s\nshortened: %v%s\nPlay it again whole: FAULTSEED=%d go test ./internal/faults -run TestSchedules -v",
		p.seed, strings.Join(broken, "\n  "), p, strings.Join(trace, "\n"), p.seed)
}

// shrink leaves out whatever can be left out.
func shrink(t *testing.T, p program) program {
	t.Helper()
	for again := true; again; {
		again = false
		for i := range slices.Backward(p.steps) {
			q := p
			q.steps = slices.Delete(slices.Clone(p.steps), i, i+1)
			if _, broken := run(t, q); len(broken) > 0 {
				p, again = q, true
			}
		}
		for i := range slices.Backward(p.weather) {
			q := p
			q.weather = slices.Delete(slices.Clone(p.weather), i, i+1)
			if _, broken := run(t, q); len(broken) > 0 {
				p, again = q, true
			}
		}
	}
	return p
}

// run plays a program from its beginning until all is quiet.
func run(t *testing.T, p program) (trace, broken []string) {
	t.Helper()
	dir, err := os.MkdirTemp(quick(), "faults") //nolint:usetesting // in memory where there is such a folder
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(dir)) }()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := newWorld(p, func(now func() time.Time) *journal.Journal {
			j := journal.New(filepath.Join(dir, "journal.db"), now)
			return j
		})
		for who := range w.crew {
			w.crew[who] = w.launch(who, 0, p.modes[who], 0)
		}
		w.play()
		w.settle()
		w.count()
		close(w.over)
		w.leave()
		<-time.After(time.Hour) // net/http keeps timers for what it sent
		trace, broken = w.trace, w.broken
	})
	return trace, broken
}

// quick is a folder in memory where there is one: no process here dies in earnest,
// and disks are slow to say that they have written.
func quick() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return ""
}
