package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// process is a running server and its streams.
type process struct {
	in   io.WriteCloser
	out  *bufio.Reader
	cmd  *exec.Cmd
	stop context.CancelFunc
}

// launch starts a server. env is added to an environment that has nothing of
// this program's settings.
func launch(ctx context.Context, env []string, path string, args ...string) (*process, error) {
	ctx, stop := context.WithCancel(ctx)
	p := &process{cmd: exec.CommandContext(ctx, path, args...), stop: stop} //nolint:gosec // what was built here
	p.cmd.Env = append(neutral(os.Environ()), env...)
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 1<<16)
	return p, p.cmd.Start()
}

func neutral(environ []string) []string {
	var kept []string
	for _, e := range environ {
		if !strings.HasPrefix(e, "VAST_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// ask sends one line and waits for the next.
func (p *process) ask(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	if err == nil {
		_, err = p.out.ReadString('\n')
	}
	return err
}

// url reads where an HTTP server says it is.
func (p *process) url() (string, error) {
	line, err := p.out.ReadString('\n')
	at := strings.Index(line, "http://")
	if err != nil || at < 0 {
		return "", fmt.Errorf("the server said %q: %w", line, err)
	}
	return strings.TrimSpace(line[at:]), nil
}

// end kills the process and waits until it is gone.
func (p *process) end() {
	p.stop()
	_ = p.cmd.Wait() // it was killed
}

// resident is the memory that the process occupies, in MiB. It fails where
// there is no /proc.
func (p *process) resident() (float64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, err
	}
	return parseResident(string(status))
}

func parseResident(status string) (float64, error) {
	for line := range strings.Lines(status) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kib float64
			_, err := fmt.Sscanf(size, "%f kB", &kib)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in %q", status)
}
