package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// worker names this process on this machine.
func worker() string {
	host, _ := os.Hostname() // without a name it is like any other that has none
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// workerEnded reports whether the process of that name is certain to have ended:
// it was one of this machine, and nothing runs under its number.
func workerEnded(name string) bool {
	host, number, _ := strings.Cut(name, "/")
	here, err := os.Hostname()
	pid, bad := strconv.Atoi(number)
	if err != nil || bad != nil || host != here {
		return false
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return true // as Windows says of one that is gone
	}
	return errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
