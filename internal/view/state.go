package view

import (
	"strings"
	"time"

	"vast-mcp/vast"
)

// State is what the four status fields of an instance come to.
type State string

// The states of an instance.
const (
	Provisioning State = "provisioning" // accepted; the host has reported nothing yet
	Pulling      State = "pulling"      // the image is on its way
	Starting     State = "starting"
	Ready        State = "ready"
	Stuck        State = "stuck" // will not get anywhere by itself
	ImageError   State = "image_error"
	HostError    State = "host_error"
	Outbid       State = "outbid"
	Queued       State = "queued" // will start, and bill, when the GPUs are free
	StoppedState State = "stopped"
	Offline      State = "offline"
	Gone         State = "gone"
)

// Final reports whether waiting for ready makes no sense any more.
func (s State) Final() bool {
	switch s {
	case Ready, Stuck, ImageError, HostError, Outbid, StoppedState, Gone:
		return true
	case Provisioning, Pulling, Starting, Queued, Offline:
	}
	return false
}

// reading is a state, why it is that, and what to do next.
type reading struct {
	state     State
	why, next string
}

// silentFor is how long a host may say nothing before it counts as a dud.
const silentFor = 10 * time.Minute

// read makes one state of the four status fields. now is the API's clock.
func read(in vast.Instance, now time.Time) reading {
	switch {
	case in.Status == "offline" || in.Status == "unknown":
		return reading{Offline, "the host does not answer", "wait, or destroy_instance and rent another; the disk is not billed while the host is away"}
	case in.Wanted == "stopped":
		return readStopped(in)
	case in.ContractState == "stopped":
		if in.IsBid {
			return outbid()
		}
		return reading{Queued, "it waits for its GPUs and starts, and bills, when they are free", "stop_instance to leave the queue"}
	}
	return readRunning(in, now)
}

func readStopped(in vast.Instance) reading {
	switch {
	case imageFailed(in.StatusMessage):
		return brokenImage()
	case in.Status == "loading":
		return reading{Stuck, "it is loading but meant to be stopped: it will never run", "destroy_instance and rent again"}
	case in.Status == "created" && hostFailed(in.StatusMessage):
		return brokenHost()
	case in.IsBid && in.MinBid > in.GPUPerHour:
		return outbid()
	case in.Status == "running":
		return reading{StoppedState, "it is being stopped", "wait_for_instance until stopped"}
	}
	return reading{StoppedState, "its disk is kept and billed", "start_instance, or destroy_instance to end all costs"}
}

func readRunning(in vast.Instance, now time.Time) reading {
	switch in.Status {
	case "":
		if age := now.Sub(time.Unix(int64(in.StartDate), 0)); in.StartDate > 0 && age > silentFor {
			return reading{Stuck, "the host has reported nothing for over ten minutes", "destroy_instance and rent from another machine"}
		}
		return reading{Provisioning, "the host has not reported yet", "wait_for_instance until ready"}
	case "loading":
		if imageFailed(in.StatusMessage) {
			return brokenImage()
		}
		return reading{Pulling, "the host is pulling the image", "wait_for_instance until ready"}
	case "created":
		if hostFailed(in.StatusMessage) {
			return brokenHost()
		}
		return reading{Starting, "the container is about to start", "wait_for_instance until ready"}
	case "running":
		if !reachable(in) {
			return reading{Starting, "it runs; its ports are not open yet", "wait_for_instance until ready"}
		}
		return reading{Ready, "", "use it; stop_instance or destroy_instance when done"}
	case "rebooting", "recycling":
		return reading{Starting, "it is " + in.Status, "wait_for_instance until ready"}
	case "exited", "stopped":
		// Right after a start this is what a healthy instance looks like.
		return reading{Starting, "the container is starting again, or its command has ended", "wait_for_instance until ready; if it stays so for minutes, get_logs"}
	case "frozen":
		return reading{Stuck, "it is paused with its memory; the GPU is billed", "stop_instance or destroy_instance"}
	}
	return reading{Stuck, "the API reports a status that is not known here", "get_logs with daemon true"}
}

func outbid() reading {
	return reading{Outbid, "somebody bid more for its GPUs", "destroy_instance and rent again, at a higher bid or on demand"}
}

func brokenImage() reading {
	return reading{ImageError, "the image cannot be pulled", "destroy_instance; check the image name, its tag and image_login, and rent again"}
}

func brokenHost() reading {
	return reading{HostError, "the host failed to start the container", "destroy_instance and rent from another machine"}
}

func imageFailed(msg string) bool {
	return containsAny(msg, "manifest for", "manifest unknown", "pull access denied", "unauthorized", "repository does not exist", "invalid reference")
}

func hostFailed(msg string) bool {
	return containsAny(msg, "oci runtime", "cdi devices", "failed to create", "error response from daemon")
}

func containsAny(s string, parts ...string) bool {
	s = strings.ToLower(s)
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// reachable reports whether there is a way in: an image that is run by its own
// entrypoint needs none.
func reachable(in vast.Instance) bool {
	if !strings.Contains(in.LaunchMode, "ssh") && !strings.Contains(in.LaunchMode, "jupyter") {
		return true
	}
	host, _ := in.SSH()
	return host != "" && in.PublicIP != "" && (len(in.Ports) > 0 || !strings.Contains(in.LaunchMode, "direc"))
}
