package faults_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLeaseSchedules plays seeded schedules of outages, dead layers, wrong clocks
// and edited labels, and counts by the market: nothing runs five minutes past its
// lease while one layer lives and the API answers, nothing is destroyed before
// it, and nobody else's machine is touched.
func TestLeaseSchedules(t *testing.T) {
	game[leaseProgram]{"TestLeaseSchedules", writeLeases, runLeases}.play(t, asked(t, leaseSeeds))
}

// runLeases plays a schedule from its beginning until all leases are over.
func runLeases(t *testing.T, p leaseProgram) (trace, broken []string) {
	t.Helper()
	dir, err := os.MkdirTemp(quick(), "leases") //nolint:usetesting // one for each of thousands, in memory
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(dir)) }()
	synctest.Test(t, func(*testing.T) {
		w := newLeaseWorld(p, dir)
		w.rentAll()
		w.man()
		go w.keepWatch()
		w.play()
		w.finish()
		<-time.After(12 * time.Hour) // what was to happen later does not
		for _, l := range w.launched {
			w.must(l.app.Close())
		}
		trace, broken = w.trace, w.broken
	})
	return trace, broken
}
