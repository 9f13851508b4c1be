package faults_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// tale is what happened in one schedule, and what of it must never happen.
type tale struct {
	began time.Time

	telling sync.Mutex
	trace   []string
	broken  []string
}

// must ends the schedule at what can only be a defect of these tests.
func (t *tale) must(err error) {
	if err != nil {
		panic(err)
	}
}

// tell adds a line to the trace.
func (t *tale) tell(format string, args ...any) {
	t.telling.Lock()
	defer t.telling.Unlock()
	t.trace = append(t.trace, fmt.Sprintf("%10.3f  ", time.Since(t.began).Seconds())+fmt.Sprintf(format, args...))
}

// wrong notes that something happened that must never happen.
func (t *tale) wrong(format string, args ...any) {
	t.tell("WRONG: "+format, args...)
	t.telling.Lock()
	defer t.telling.Unlock()
	t.broken = append(t.broken, fmt.Sprintf(format, args...))
}

// log is where a process writes its log.
func (t *tale) log(name string) io.Writer { return lines{t, name} }

type lines struct {
	tale *tale
	name string
}

// Write adds one line of a log to the trace.
func (l lines) Write(line []byte) (int, error) {
	_, text, _ := strings.Cut(string(line), " level=")
	l.tale.tell("%s log: %s", l.name, strings.TrimSpace(text))
	return len(line), nil
}
