package rental_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// shells are what an image may have as its sh.
func shells() []string { return []string{"dash", "busybox", "bash"} }

// speakers are what the backstop can reach the API with.
func speakers() []string { return []string{"curl", "wget", "python3"} }

// program finds a program of this machine. A test that lacks one is skipped, but
// not where the tests have to be complete.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append([]string{"/usr/bin", "/bin"}, filepath.SplitList(os.Getenv("PATH"))...) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	require.Empty(t, os.Getenv("CI"), "there is no %s here", name)
	t.Skip("there is no " + name + " here")
	return ""
}

// image makes a folder of programs that is all an image has: a shell, one
// program that speaks HTTP, and the few that every image has.
func image(t *testing.T, shell, speaker string) string {
	t.Helper()
	bin := t.TempDir()
	link := func(name, path string) { require.NoError(t, os.Symlink(path, filepath.Join(bin, name))) }
	link("sh", program(t, shell))
	for _, name := range []string{"setsid", "timeout", "sleep", "mkdir", "mv", "rm"} {
		if shell == "busybox" {
			link(name, program(t, shell))
			continue
		}
		link(name, program(t, name))
	}
	if speaker != "" {
		link(speaker, program(t, speaker))
	}
	return bin
}

// container is one rented instance whose onstart really runs, beside a market
// over HTTP whose clock only the test moves.
type container struct {
	*bench

	bin, dir string // its programs, its disk
	id       vast.InstanceID
	until    time.Time
	inside   struct {
		Onstart string            `json:"onstart"`
		Env     map[string]string `json:"env"`
	}

	mu     sync.Mutex
	now    time.Time
	reads  int                            // by the container
	writes []string                       // by the container
	hook   func(http.ResponseWriter) bool // answers the container in the market's place, if it returns true
}

// newContainer rents an instance, whose onstart has not run yet. more is more
// arguments of the rental.
func newContainer(t *testing.T, bin, more string) *container {
	t.Helper()
	c := &container{bin: bin, dir: t.TempDir(), now: time.Date(2028, 2, 29, 22, 0, 0, 0, time.UTC)}
	market, err := sandbox.Open(sandbox.Options{Speed: 1, Now: c.clock})
	require.NoError(t, err)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(market, w, r) }))
	t.Cleanup(web.Close)
	client, err := vast.NewClient(market.Key(), vast.WithBaseURL(web.URL), vast.WithTransport(web.Client().Transport))
	require.NoError(t, err)
	r := rig.New(t, rig.Options{Beside: &rig.Rig{Market: market}, Configure: func(config *server.Config) { config.Client = client }})
	c.bench = &bench{Rig: r, t: t}
	c.id = c.answer(c.Approved("create_instance", rent(c.Offer("RTX 4090"), `,"lease_hours":3`+more))).InstanceID
	_, tail, ok := rental.ParseLabel(c.row(c.id).Label)
	require.True(t, ok)
	c.until = tail.Until
	resp, err := web.Client().Get(fmt.Sprintf("%s/__sandbox/instances/%d", web.URL, c.id))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&c.inside))
	t.Cleanup(c.kill)
	return c
}

func (c *container) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// serve is the market, which counts what the container asks for.
func (c *container) serve(m *sandbox.Market, w http.ResponseWriter, r *http.Request) {
	if key := c.inside.Env["CONTAINER_API_KEY"]; key == "" || r.Header.Get("Authorization") != "Bearer "+key {
		m.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	c.mu.Lock()
	hook := c.hook
	if r.Method == http.MethodGet {
		c.reads++
	}
	c.mu.Unlock()
	if hook == nil || !hook(w) {
		m.ServeHTTP(w, r)
	}
	if r.Method != http.MethodGet {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.writes = append(c.writes, r.Method+" "+string(body))
	}
}

// at moves the market's clock.
func (c *container) at(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// answering has the container's requests answered by hook from now on.
func (c *container) answering(hook func(http.ResponseWriter) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = hook
}

func (c *container) asked() (reads int, writes []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads, c.writes
}

// label names the instance, as the program and people can.
func (c *container) label(label string) {
	c.t.Helper()
	require.NoError(c.t, c.Client.Instances.SetLabel(c.t.Context(), c.id, label))
}

// leased is the instance's label with another lease.
func (c *container) leased(until time.Time, change func(*rental.Tail)) {
	c.t.Helper()
	_, tail, _ := rental.ParseLabel(c.row(c.id).Label)
	tail.Until = until
	if change != nil {
		change(&tail)
	}
	c.label(rental.FormatLabel("text", tail, 1024))
}

// boot runs the onstart to its end, as a start of the container does.
func (c *container) boot(more ...string) string {
	c.t.Helper()
	script := filepath.Join(c.dir, "onstart.sh")
	require.NoError(c.t, os.WriteFile(script, []byte(c.inside.Onstart), 0o600))
	cmd := exec.CommandContext(c.t.Context(), filepath.Join(c.bin, "sh"), script)
	for name, value := range c.inside.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "PATH="+c.bin, "HOME="+c.dir, "VAST_MCP_DIR="+filepath.Join(c.dir, "state"), "VAST_MCP_POLL=0", "VAST_MCP_GRACE=0")
	cmd.Env = append(cmd.Env, more...)
	out, err := cmd.CombinedOutput()
	require.NoError(c.t, err, "%s", out)
	return string(out)
}

// holder is the process that has the job, "" if none ever had.
func (c *container) holder() string {
	text, _ := os.ReadFile(filepath.Join(c.dir, "state", "pid"))
	pid, _, _ := strings.Cut(string(text), " ")
	return pid
}

// kill ends all that the onstart left running, as a reboot does.
func (c *container) kill() {
	pid := c.holder()
	if pid == "" {
		return
	}
	_ = exec.Command("kill", "-KILL", "--", "-"+pid).Run() // it may be over
	require.Eventually(c.t, func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, soon, tick)
}

const (
	soon = 30 * time.Second // on a busy machine
	tick = 5 * time.Millisecond
)

// rounds waits until the backstop has judged what is so now: by the third look
// from now on it has acted on the first.
func (c *container) rounds() {
	c.t.Helper()
	before, _ := c.asked()
	require.Eventually(c.t, func() bool { now, _ := c.asked(); return now >= before+3 }, soon, tick, "it does not look")
}

// quiet means that it looks, and does nothing.
func (c *container) quiet(when string) {
	c.t.Helper()
	c.rounds()
	_, writes := c.asked()
	require.Empty(c.t, writes, when)
}

// silent means that nothing runs.
func (c *container) silent() {
	c.t.Helper()
	before, _ := c.asked()
	require.Never(c.t, func() bool { now, _ := c.asked(); return now > before+1 }, 200*time.Millisecond, tick, "something still looks")
}

// ends means that the backstop sends this, and nothing else.
func (c *container) ends(want string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { _, writes := c.asked(); return len(writes) > 0 }, soon, tick, "it does not end it")
	_, writes := c.asked()
	for _, got := range writes {
		require.Equal(c.t, want, got)
	}
}

const (
	stops    = `PUT {"state":"stopped"}`
	destroys = `DELETE {}`
)

func fails(status int, body string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// TestBackstop is a life: the deadline, an extension, an onstart that runs
// twice, a reboot, an outage and the end.
func TestBackstop(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs real shells, which the race detector does not see")
	}
	for _, shell := range shells() {
		for _, speaker := range speakers() {
			t.Run(shell+" "+speaker, func(t *testing.T) {
				t.Parallel()
				c := newContainer(t, image(t, shell, speaker), `,"onstart":"set -eu; wait; echo done"`)
				require.Equal(t, "done\n", c.boot(), "the renter's own script runs to its end")
				c.quiet("in the middle of the lease")
				c.at(c.until.Add(-time.Second))
				c.quiet("a second before its end")
				c.leased(c.until.Add(time.Hour), nil)
				c.rounds()
				c.at(c.until.Add(time.Hour - time.Second))
				c.quiet("in the hour that was added")

				first := c.holder()
				c.boot()
				c.rounds()
				require.Equal(t, first, c.holder(), "the second finds the first")
				c.kill()
				c.silent()
				c.boot()
				c.quiet("after a reboot")

				c.answering(fails(http.StatusServiceUnavailable, "<html>"))
				c.at(c.until.Add(time.Hour + 5*time.Minute))
				c.rounds()
				c.at(c.until.Add(time.Hour + 10*time.Minute))
				c.quiet("while the API fails")
				c.answering(nil)
				c.ends(stops)
				require.Equal(t, "stopped", c.row(c.id).Wanted)
			})
		}
	}
}

// TestBackstopDoesNothingWhenItCannotRead plays every answer that is none past
// the deadline.
func TestBackstopDoesNothingWhenItCannotRead(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs real shells, which the race detector does not see")
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("it went to %s", r.URL) }))
	t.Cleanup(elsewhere.Close)
	for i, speaker := range speakers() {
		t.Run(speaker, func(t *testing.T) {
			t.Parallel()
			c := newContainer(t, image(t, shells()[i], speaker), "")
			text, err := json.Marshal(c.row(c.id).Label)
			require.NoError(t, err)
			row := `{"instances":{"id":1,"label":` + string(text) + `}}`
			late := c.until.Add(time.Hour).Format(http.TimeFormat)
			dated := func(status int, date, body string) func(http.ResponseWriter) bool {
				return func(w http.ResponseWriter) bool {
					w.Header()["Date"] = nil
					if date != "" {
						w.Header().Set("Date", date)
					}
					w.Header().Set("Location", elsewhere.URL)
					return fails(status, body)(w)
				}
			}
			c.answering(dated(http.StatusUnauthorized, late, row))
			c.boot()
			c.quiet("refused")
			for name, answer := range map[string]func(http.ResponseWriter) bool{
				"an error":             dated(http.StatusInternalServerError, late, row),
				"a redirect":           dated(http.StatusTemporaryRedirect, late, row),
				"no date":              dated(http.StatusOK, "", row),
				"a date of no month":   dated(http.StatusOK, "Tue, 01 Foo 2030 00:00:00 GMT", row),
				"garbage":              dated(http.StatusOK, late, "<html>"+row),
				"nothing":              dated(http.StatusOK, late, ""),
				"half":                 dated(http.StatusOK, late, row[:len(row)-1]),
				"gone":                 dated(http.StatusOK, late, `{"instances":null}`),
				"no label":             dated(http.StatusOK, late, `{"instances":{"id":1}}`),
				"a label of no string": dated(http.StatusOK, late, `{"instances":{"id":1,"label":1}}`),
				"a label elsewhere":    dated(http.StatusOK, late, `{"instances":{"env":`+row+`}}`),
				"a lost connection":    func(http.ResponseWriter) bool { panic(http.ErrAbortHandler) },
			} {
				c.answering(answer)
				c.quiet(name)
			}
			c.answering(dated(http.StatusOK, late, row))
			c.ends(stops)
		})
	}
}

// TestBackstopGoesByTheLabelOfNow tells what each label means when the deadline
// of the rental is past.
func TestBackstopGoesByTheLabelOfNow(t *testing.T) {
	for name, c := range map[string]struct {
		label  func(rental.Tail) string
		reboot bool // meanwhile, so that only the disk remembers
		want   string
	}{
		"its own":                      {func(l rental.Tail) string { return l.String() }, false, destroys},
		"an end before it was granted": {func(l rental.Tail) string { l.Until = l.Until.Add(-10 * time.Minute); return l.String() }, false, stops},
		"another lease":                {func(l rental.Tail) string { l.Nonce = strings.Repeat("a", 16); return l.String() }, false, stops},
		"tidied away":                  {func(rental.Tail) string { return "my nice machine" }, false, stops},
		"tidied before a boot":         {func(rental.Tail) string { return "" }, true, stops},
		"two tails":                    {func(l rental.Tail) string { return l.String() + l.String() }, false, stops},
		"released":                     {func(l rental.Tail) string { return l.String() + " [vm-released] " }, true, ""},
		"made longer, oddly": {func(l rental.Tail) string {
			l.Until = l.Until.Add(48 * time.Hour)
			return `"label":"x \[vm` + "\u0022\n\té漢🙂\\ " + l.String() + "\n"
		}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := newContainer(t, image(t, "dash", "curl"), `,"on_expiry":"destroy"`)
			_, tail, _ := rental.ParseLabel(box.row(box.id).Label)
			box.boot()
			box.quiet("before")
			box.label(c.label(tail))
			box.quiet("edited")
			if c.reboot {
				box.kill()
			}
			box.at(box.until)
			if c.reboot {
				box.boot()
			}
			if c.want != "" {
				box.ends(c.want)
				return
			}
			box.quiet("past the deadline that was")
			tail.Nonce = strings.Repeat("b", 16)
			box.label(tail.String())
			box.ends(stops)
		})
	}
}

// TestBackstopLooksTwice: what is extended in the last minute is not ended.
func TestBackstopLooksTwice(t *testing.T) {
	t.Parallel()
	c := newContainer(t, image(t, "bash", "curl"), "")
	_, tail, _ := rental.ParseLabel(c.row(c.id).Label)
	tail.Until = tail.Until.Add(time.Hour)
	looks := 0 // one at a time
	c.answering(func(http.ResponseWriter) bool {
		switch looks++; looks {
		case 2:
			c.at(c.until)
		case 3:
			_ = c.Client.Instances.SetLabel(t.Context(), c.id, tail.String()) // the row shows it
		}
		return false
	})
	c.boot()
	c.quiet("until it was extended")
	c.quiet("since")
	require.Equal(t, tail.String(), c.row(c.id).Label)
}

// TestOneBackstop: onstarts that run at the same moment leave one behind, and
// what is not there needs none.
func TestOneBackstop(t *testing.T) {
	t.Parallel()
	c := newContainer(t, image(t, "dash", "curl"), "")
	c.inside.Onstart = strings.Repeat("(\n"+c.inside.Onstart+") &\n", 8) + "wait\n"
	c.boot()
	c.rounds()
	c.rounds()
	c.kill()
	c.silent()
}

// TestBackstopGivesUpInSilence where it has nothing to work with. The script of
// the renter runs all the same.
func TestBackstopGivesUpInSilence(t *testing.T) {
	t.Parallel()
	c := newContainer(t, image(t, "dash", "curl"), `,"onstart":"#!/usr/bin/env bash\necho hello"`)
	require.True(t, strings.HasPrefix(c.inside.Onstart, "#!/usr/bin/env bash\n"))
	for name, env := range map[string]string{
		"no tool": "PATH=" + image(t, "dash", ""), "no key": "CONTAINER_API_KEY=", "no id": "CONTAINER_ID=", "a key that is none": `CONTAINER_API_KEY=a"b`,
		"no sh": "PATH=" + t.TempDir(),
	} {
		require.Equal(t, "hello\n", c.boot(env), name)
		c.silent()
	}
	require.Equal(t, "hello\n", c.boot("VAST_MCP_DIR=/dev/null"), "no disk")
	c.rounds()
	require.FileExists(t, filepath.Join(c.dir, ".vast-mcp", "pid"))
	text, err := os.ReadFile(filepath.Join(c.dir, ".vast-mcp", "pid"))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(c.dir, "state"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "state", "pid"), text, 0o600)) // so that kill finds it
}

// TestTheKeyIsNoArgument: whoever may log in sees the arguments of all
// processes, and the disk keeps what was written there.
func TestTheKeyIsNoArgument(t *testing.T) {
	for _, speaker := range speakers() {
		t.Run(speaker, func(t *testing.T) {
			t.Parallel()
			bin, seen := image(t, "dash", speaker), filepath.Join(t.TempDir(), "seen")
			spy := fmt.Sprintf("#!%s/sh\necho \"$@\" >>%s\nexec %s \"$@\"\n", bin, seen, program(t, speaker))
			require.NoError(t, os.Remove(filepath.Join(bin, speaker)))
			require.NoError(t, os.WriteFile(filepath.Join(bin, speaker), []byte(spy), 0o700))
			c := newContainer(t, bin, "")
			c.boot()
			c.at(c.until)
			c.ends(stops)
			c.kill()
			args, err := os.ReadFile(seen)
			require.NoError(t, err)
			require.Contains(t, string(args), "/api/v0/instances/")
			key := c.inside.Env["CONTAINER_API_KEY"]
			require.NotContains(t, string(args), key)
			files, err := os.ReadDir(filepath.Join(c.dir, "state"))
			require.NoError(t, err)
			for _, f := range files {
				info, err := f.Info()
				require.NoError(t, err)
				require.Zero(t, info.Mode().Perm()&0o077, f.Name())
			}
		})
	}
}
