package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How long things take, in market time. A boot takes at most eight minutes.
const (
	stopLeast, stopMost       = 3 * time.Second, 20 * time.Second
	restartLeast, restartMost = 10 * time.Second, 60 * time.Second
	noticeLeast, noticeMost   = 2 * time.Second, 15 * time.Second // until the host reports
	startLeast, startMost     = 3 * time.Second, 10 * time.Second // a step of a container
	pullTypical, pullMost     = 80 * time.Second, 400 * time.Second
	portsMost                 = 20 * time.Second // from running until the ports are open
	giveUpAfter               = 7 * time.Minute  // on an image that can't be pulled
)

// boot plans the way from here to running.
func (c *contract) boot(seed uint64, at time.Time) {
	c.Boots++
	d := c.dice(seed, "boot")
	c.Plan = nil
	then := func(after time.Duration, p phase) {
		at = at.Add(after)
		c.Plan = append(c.Plan, step{At: at, Phase: p})
	}
	switch {
	case c.Pulled:
		then(d.duration(startLeast, startMost), created)
		then(d.duration(startLeast, restartMost-startMost), running)
	case c.mishap() == deadHost:
		then(reapAfter, reaped)
		return
	case c.Launch.pullError() != "":
		then(d.duration(noticeLeast, noticeMost), loading)
		then(d.duration(noticeLeast, noticeMost), pullFailed)
		then(giveUpAfter, abandoned)
		return
	default:
		then(d.duration(noticeLeast, noticeMost), loading)
		then(c.pullTime(seed), created)
		then(d.duration(startLeast, startMost), running)
	}
	switch c.mishap() {
	case noStart:
		c.Plan[len(c.Plan)-1].Phase = unstarted
	case shortRun:
		then(runFor, finished)
	case lostHost:
		then(runFor, unheard)
		then(offlineAfter, offline)
		then(offlineFor, running)
	default: // the others come later, or do not keep it from booting
	}
}

// load plans the way up to where the container could start.
func (c *contract) load(seed uint64, at time.Time) {
	c.boot(seed, at)
	i := slices.IndexFunc(c.Plan, func(s step) bool { return s.Phase == running || s.Phase == unstarted || s.Phase == abandoned })
	if i >= 0 {
		c.Plan = c.Plan[:i]
	}
}

// pullTime is how long the image takes to pull; some hosts have it already.
func (c *contract) pullTime(seed uint64) time.Duration {
	if c.Pull > 0 {
		return c.Pull
	}
	d := c.dice(seed, "pull")
	if d.chance(0.15) {
		return d.duration(time.Second, 5*time.Second)
	}
	seconds := d.lognormal(pullTypical.Seconds(), pullTypical.Seconds()/3, pullTypical.Seconds()*3)
	return min(max(time.Duration(seconds*float64(time.Second)), startLeast), pullMost)
}

// pullError is the daemon's message about an image that can't be pulled. An
// image that says so of itself is one, for the market has no registry to ask.
func (l launch) pullError() string {
	repo, tag := splitImage(l.Image)
	switch {
	case strings.Contains(repo, "does-not-exist") || tag == "no-such-tag":
		return fmt.Sprintf("Error response from daemon: manifest for %s not found: manifest unknown: manifest unknown", l.Image)
	case strings.HasPrefix(repo, "private/") && !l.Login:
		return fmt.Sprintf("Error response from daemon: pull access denied for %s, repository does not exist or may require 'docker login': denied: requested access to the resource is denied", repo)
	default:
		return ""
	}
}

// splitImage cuts repo:tag, where a port of a registry is no tag.
func splitImage(image string) (repo, tag string) {
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		return image[:i], image[i+1:]
	}
	return image, "latest"
}

// statusMsg is what the host says of the container at a moment.
func (c *contract) statusMsg(seed uint64, now time.Time) *string {
	if c.Copy.underway(now) {
		return new(c.Copy.progress(now))
	}
	switch c.Phase {
	case accepted:
		return nil
	case pullFailed, abandoned:
		return new(c.Launch.pullError())
	case loading:
		return new(c.pullProgress(seed, now))
	case created:
		return new(fmt.Sprintf("%s: Pull complete", c.layer(seed, layers-1)))
	case unstarted, finished:
		return new(c.mishapMessage())
	case exited:
		if !c.Pulled {
			return nil
		}
		fallthrough // a stopped one goes on saying what it said
	default:
		return new(fmt.Sprintf("success, running %s/%s", strings.ReplaceAll(c.Launch.Image, ":", "_"), c.Launch.mode()))
	}
}

const layers = 8

// pullProgress names the layer being pulled and how far it is.
func (c *contract) pullProgress(seed uint64, now time.Time) string {
	done := min(max(float64(now.Sub(c.Since))/float64(c.pullTime(seed)), 0), 0.999) * layers
	stages := []string{"Pulling fs layer", "Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete"}
	stage := int((done - float64(int(done))) * float64(len(stages)))
	return fmt.Sprintf("%s: %s", c.layer(seed, int(done)), stages[stage])
}

func (c *contract) layer(seed uint64, n int) string {
	return secret(seed, "layer "+c.Launch.Image, int64(n))[:12]
}

// mode is the short word for a runtype.
func (l launch) mode() string {
	switch {
	case strings.Contains(l.Runtype, "jupyter"):
		return "jupyter"
	case strings.Contains(l.Runtype, "args"):
		return "args"
	default:
		return "ssh"
	}
}

func (c *contract) dice(seed uint64, what string) dice {
	return newDice(seed, fmt.Sprintf("%s %d %d", what, c.ID, c.Boots))
}
