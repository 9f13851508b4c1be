package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	objectPath   = "/sim-s3/"
	logTail      = 1000
	maxLogLines  = 20_000
	maxObjects   = 64
	objectLeast  = 2 * time.Second // of market time until an object is there
	objectMost   = 6 * time.Second
	logTimestamp = "2006-01-02T15:04:05Z"
)

// logObjects are the uploads that answers refer to. They are this process's,
// like the URLs that lead to them.
type logObjects struct {
	mu   sync.Mutex
	made int64
	all  []logObject // oldest first
}

type logObject struct {
	path  string
	ready time.Time // market time
	text  string
}

func (o *logObjects) put(seed uint64, now time.Time, text string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.made++
	purpose := fmt.Sprintf("log object %d", now.UnixNano())
	path := objectPath + secret(seed, purpose, o.made) + ".log"
	ready := now.Add(newDice(seed, path).duration(objectLeast, objectMost))
	o.all = append(o.all, logObject{path: path, ready: ready, text: text})
	if len(o.all) > maxObjects {
		o.all = slices.Delete(o.all, 0, 1)
	}
	return path
}

func (o *logObjects) get(path string, now time.Time) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, object := range o.all {
		if object.path == path && !now.Before(object.ready) {
			return object.text, true
		}
	}
	return "", false
}

// serveObject answers like object storage: to a plain GET, once the object is
// there, and never to a second way of authorizing. An upload is let go by.
func (m *Market) serveObject(r *http.Request) answer {
	refused := func(status int, code, message string) answer {
		body := fmt.Appendf(nil, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
		return answer{status: status, kind: "application/xml", body: body}
	}
	if r.Header.Get("Authorization") != "" {
		return refused(http.StatusBadRequest, "InvalidArgument", "Unsupported Authorization Type")
	}
	if r.Method == http.MethodPost && r.URL.Path == objectPath {
		return answer{status: http.StatusNoContent, kind: "application/xml"}
	}
	text, found := m.objects.get(r.URL.Path, m.Now())
	if !found || r.Method != http.MethodGet {
		return refused(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	}
	return answer{status: http.StatusOK, kind: "text/plain", body: []byte(text)}
}

// requestLogs answers PUT /instances/request_logs/{id}/.
func (t *tx) requestLogs() answer {
	id, ok := t.id()
	c := t.st.contract(id)
	if !ok || c == nil {
		return refuse(http.StatusNotFound, "invalid_id", "Invalid instance id.")
	}
	var in struct {
		Tail   any    `json:"tail"`
		Filter string `json:"filter"`
		Daemon any    `json:"daemon_logs"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	lines := t.containerLog(c)
	if fmt.Sprint(in.Daemon) == "true" {
		lines = t.daemonLog(c)
	}
	tail, err := strconv.Atoi(fmt.Sprint(in.Tail))
	if err != nil || tail < 1 {
		tail = logTail
	}
	lines = grep(lines, in.Filter)
	lines = lines[max(len(lines)-tail, 0):]
	path := t.m.objects.put(t.st.Seed, t.now, strings.Join(append(lines, ""), "\n"))
	return reply(map[string]any{"success": true, "result_url": baseURL(t.r) + path, "msg": "Retrieving logs, please wait."})
}

// baseURL is where the client found us.
func baseURL(r *http.Request) string {
	scheme := "http"
	if r.URL.Scheme != "" {
		scheme = r.URL.Scheme // in process
	} else if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// grep keeps the lines that match; what is no pattern is looked for as is.
func grep(lines []string, pattern string) []string {
	if pattern == "" {
		return lines
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		re = regexp.MustCompile(regexp.QuoteMeta(pattern))
	}
	return slices.DeleteFunc(lines, func(line string) bool { return !re.MatchString(line) })
}

// containerLog is what the container printed each time it was up: a few lines
// at the start, and one a minute.
func (t *tx) containerLog(c *contract) []string {
	var lines []string
	for m := range t.st.metersOf(c.ID, gpuMeter) {
		lines = append(lines, c.bootLines(t.world.asks[c.Ask], m.Start)...)
		minutes := int(m.between(m.Start, t.now) / time.Minute)
		for minute := max(1, minutes-maxLogLines); minute <= minutes; minute++ {
			at := m.Start.Add(time.Duration(minute) * time.Minute)
			d := newDice(uint64(c.ID), fmt.Sprintf("log %d", at.Unix()))
			lines = append(lines, fmt.Sprintf("%s INFO minute %d: gpu %d%%, %.1f GB in use, all well",
				at.Format(logTimestamp), minute, 55+d.IntN(45), d.between(2, 20)))
		}
	}
	if lines == nil {
		return []string{fmt.Sprintf("Error response from daemon: No such container: C.%d", c.ID)}
	}
	return lines[max(len(lines)-maxLogLines, 0):]
}

func (c *contract) bootLines(a *ask, at time.Time) []string {
	lines := []string{
		"Starting container " + fmt.Sprintf("C.%d", c.ID) + " from " + c.Launch.Image,
		fmt.Sprintf("NVIDIA-SMI %s  Driver Version: %s  CUDA Version: %.1f", a.m.driver, a.m.driver, a.m.cuda),
		fmt.Sprintf("Found %d x %s", a.gpus, a.m.model.name),
	}
	switch c.Launch.mode() {
	case "jupyter":
		lines = append(lines, "Jupyter Server is running at https://0.0.0.0:8080/")
	case "ssh":
		lines = append(lines, "Server listening on 0.0.0.0 port 22.")
	}
	if c.Launch.Onstart != nil {
		lines = append(lines, "Running onstart")
	}
	for i, line := range lines {
		lines[i] = at.Add(time.Duration(i)*200*time.Millisecond).Format(logTimestamp) + " " + line
	}
	return lines
}

// daemonLog is what the host says of the container.
func (t *tx) daemonLog(c *contract) []string {
	line := func(at time.Time, format string, args ...any) string {
		return at.Format(logTimestamp) + " [kaalia] " + fmt.Sprintf(format, args...)
	}
	lines := []string{
		line(c.Created, "accepted contract C.%d", c.ID),
		line(c.Created, "pulling %s", c.Launch.Image),
	}
	if msg := c.Launch.pullError(); msg != "" {
		return append(lines, line(c.Created, "%s", msg))
	}
	for m := range t.st.metersOf(c.ID, gpuMeter) {
		lines = append(lines, line(m.Start, "container C.%d is up", c.ID))
		if !m.End.IsZero() {
			lines = append(lines, line(m.End, "container C.%d is down", c.ID))
		}
	}
	return lines
}
