package sandbox

import (
	"fmt"
	"strings"
	"time"
)

// mishaps are what can go wrong with a host or a container. An image of the
// repository "sandbox/" brings on the mishap that it is named after, so that
// each can be rehearsed and none comes by surprise.
type mishap string

const (
	noMishap mishap = ""
	deadHost mishap = "dead-host" // never reports, until the API takes the instance away
	noStart  mishap = "no-start"  // the container can't be given its GPUs
	shortRun mishap = "short-run" // the container's command ends
	lostHost mishap = "lost-host" // the host goes offline, and comes back
	noWork   mishap = "idle"      // the container runs, and its GPUs do nothing
)

const (
	reapAfter    = 30 * time.Minute
	runFor       = 3 * time.Minute
	offlineAfter = 2 * time.Minute // of silence
	offlineFor   = 30 * time.Minute
)

func (l launch) mishap() mishap {
	repo, _ := splitImage(l.Image)
	name, _ := strings.CutPrefix(repo, "sandbox/")
	switch m := mishap(name); m {
	case deadHost, noStart, shortRun, lostHost, noWork:
		return m
	default:
		return noMishap
	}
}

// mishapMessage is the host's last word on a container that isn't up though
// it should be.
func (c *contract) mishapMessage() string {
	if c.Phase == finished {
		return fmt.Sprintf("Exited (0): the command of C.%d ended", c.ID)
	}
	return fmt.Sprintf("Error response from daemon: failed to create task for container: OCI runtime create failed: "+
		"could not apply required modification to OCI specification: unresolvable CDI devices D.%d/gpu=0: unknown", c.ID)
}
