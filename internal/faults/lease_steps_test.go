package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vast-mcp/internal/tool"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

func makeFolder(parts ...string) error { return os.MkdirAll(filepath.Join(parts...), 0o700) }

// man begins to run the layers: each where it runs, again whenever it is to.
func (w *leaseWorld) man() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, plan := range w.program.layers {
		w.posts = append(w.posts, &post{plan: plan, name: strings.ReplaceAll(plan.kind, " ", "-"), away: true})
	}
	for _, po := range w.posts {
		w.wake(po)
		if po.plan.kind == cronLayer {
			go w.tick(po)
		}
	}
}

// wake starts a layer, or lets cron start it. The caller holds mu.
func (w *leaseWorld) wake(po *post) {
	if !po.away || w.dark {
		return
	}
	po.away, po.up = false, time.Now()
	if po.plan.kind != cronLayer {
		w.start(po)
	}
}

// start runs a layer anew. The caller holds mu.
func (w *leaseWorld) start(po *post) {
	if po.now != nil {
		po.now.kill()
	}
	po.runs++
	po.now = w.launch(fmt.Sprintf("%s%d", po.name, po.runs), po.plan, po, po.runs)
}

// fall ends a layer, and keeps it from being started. The caller holds mu.
func (w *leaseWorld) fall(po *post) {
	po.away = true
	if po.now != nil {
		po.now.kill()
	}
}

// tick is cron.
func (w *leaseWorld) tick(po *post) {
	for {
		w.mu.Lock()
		switch {
		case w.over:
			w.mu.Unlock()
			return
		case !po.away && (po.now == nil || po.now.isDead()):
			w.start(po)
		}
		w.mu.Unlock()
		<-time.After(cronEvery)
	}
}

// play lets the steps happen.
func (w *leaseWorld) play() {
	var agents sync.WaitGroup
	for _, s := range w.program.steps {
		po, t := w.posts[s.which%len(w.posts)], w.tenants[s.which%len(w.tenants)]
		<-time.After(w.waitFor(s, t))
		switch s.what {
		case "extend", "label", "stop", "start", "release":
			w.consult(&agents, s, t)
		default:
			w.mu.Lock()
			w.tell("%v", s)
			w.learn()
			w.befall(s, po, t)
			w.mu.Unlock()
		}
		switch {
		case s.what == "night":
			<-time.After(s.d)
			w.mu.Lock()
			w.rouse()
			w.mu.Unlock()
		case s.what == "outage" && s.n%3 == 0:
			<-time.After(s.d)
		}
	}
	agents.Wait()
}

// waitFor is how long to wait for a step. One that is to be near the end of a
// lease is, unless that is far.
func (w *leaseWorld) waitFor(s leaseStep, t *tenant) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := time.Until(t.until) + s.wait
	if s.near && left > 0 && left < 20*time.Minute {
		return left
	}
	return s.wait.Abs()
}

// befall is what happens to layers, the API and machines. The caller holds mu.
func (w *leaseWorld) befall(s leaseStep, po *post, t *tenant) {
	switch s.what {
	case "outage":
		w.outage = []string{"503", "drop", "garbage", "401"}[s.n%4]
		go w.after(s.d, w.restore)
	case "die":
		if po.now != nil && !po.now.isDead() && po.plan.kind != cronLayer {
			w.arm(po.now, s)
		}
		po.away = true
		go w.after(s.d, func() { w.fall(po); w.wake(po) })
	case "stall":
		if po.now != nil && !po.now.isDead() {
			w.arm(po.now, s)
		}
	case "night":
		w.darken()
	case "clock":
		po.plan.skew = s.d
		w.fall(po) // a process that lives measures time by another clock, which nobody sets
		w.wake(po)
	case "journal":
		w.spoil(s, po)
	case "edit":
		w.edit(s, t)
	case "console":
		w.console(s, t)
	case "raise":
		if t.there && t.plan.bid {
			w.raise(t)
		}
	}
}

// after does something later.
func (w *leaseWorld) after(d time.Duration, do func()) {
	<-time.After(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		do()
	}
}

func (w *leaseWorld) restore() {
	w.outage, w.restored = "", time.Now()
	w.tell("the API is back")
}

// darken ends all layers. The caller holds mu.
func (w *leaseWorld) darken() {
	w.dark = true
	for _, po := range w.posts {
		w.fall(po)
	}
}

// rouse starts all that fell. The caller holds mu.
func (w *leaseWorld) rouse() {
	w.dark = false
	for _, po := range w.posts {
		w.wake(po)
	}
}

// arm makes a layer die or stall in a while. The caller holds mu.
func (w *leaseWorld) arm(l *layer, s leaseStep) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed, l.due = &s, l.ops+1+s.n
}

// spoil takes a layer's journal away: for good, or out of order for a while.
func (w *leaseWorld) spoil(s leaseStep, po *post) {
	was := po.plan.journal
	w.fall(po)
	po.plan.journal = brokenFolder
	if s.n%2 == 0 {
		po.plan.journal = freshJournal
	}
	w.wake(po)
	if l := po.now; po.plan.journal == brokenFolder {
		po.plan.journal = was
		go w.after(s.d, func() {
			if l != nil && !l.isDead() && was == mainJournal {
				w.turn(filepath.Dir(l.journal.Path()), was)
				l.troubled()
				w.tell("the journal of %s is mended", l.name)
			}
		})
	}
}

// edit is what somebody writes into a label by hand. The caller holds mu.
func (w *leaseWorld) edit(s leaseStep, t *tenant) {
	text, tail, ok := rental.ParseLabel(t.label)
	if !t.there || t.plan.byHand || !ok {
		return
	}
	label, to := "tidied", t
	other := map[string]string{rental.OnExpiryStop: rental.OnExpiryDestroy, rental.OnExpiryDestroy: rental.OnExpiryStop}
	switch s.n {
	case 1:
		label = text + " [vm:" + tail.Nonce + " until:tomorrow stop]"
	case 2:
		label = "mine [vm:" + tail.Nonce + " until:2099-01-01T00:00:00Z destroy]"
	case 3:
		label = "mine [vm:" + tail.Nonce + " until:2020-01-01T00:00:00Z " + tail.OnExpiry + "]"
	case 4:
		tail.OnExpiry = other[tail.OnExpiry]
		label = text + " " + tail.String()
	case 5, 6, 7:
		label, to = t.label, w.tenants[(s.which+s.n)%len(w.tenants)]
	case 8:
		label = tail.String() + " " + tail.String()
	case 9:
		label = t.label + " x"
	case 10, 11:
		tail.Until = tail.Until.Add(time.Duration(s.hours * float64(time.Hour)))
		label = text + " " + tail.String()
	}
	if !to.there {
		return
	}
	write := func() {
		if w.door.Instances.SetLabel(context.Background(), vast.InstanceID(to.id), label) == nil {
			w.tell("somebody writes %q on %d", label, to.id)
			to.edited = true
			w.learn()
		}
	}
	if s.n == 11 {
		w.armed[to.id] = write // at the moment at which a layer is about to look
		return
	}
	write()
}

// console is what somebody does to a machine by hand. The caller holds mu.
func (w *leaseWorld) console(s leaseStep, t *tenant) {
	var err error
	if s.n%3 == 0 {
		err = w.door.Instances.Stop(context.Background(), vast.InstanceID(t.id))
	} else {
		err = w.door.Instances.Start(context.Background(), vast.InstanceID(t.id))
	}
	w.tell("at the console, start %t of %d: %v", s.n%3 != 0, t.id, err)
	w.learn()
}

// consult makes agents call a tool: the server, while it lives, or a command.
func (w *leaseWorld) consult(agents *sync.WaitGroup, s leaseStep, t *tenant) {
	calls := 1
	if s.what == "extend" {
		calls = 1 + s.n%3
	}
	for i := range calls {
		agents.Go(func() {
			hours := s.hours * (1 + float64(i)/2)
			for range 3 {
				if l := w.callee(s.n + i); w.request(l, s, t, hours) {
					return
				}
				<-time.After(time.Duration(1+i) * 20 * time.Second)
			}
		})
	}
}

func (w *leaseWorld) callee(n int) *layer {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, po := range w.posts {
		if po.plan.kind == serverLayer && po.plan.journal == mainJournal && po.now != nil && !po.now.isDead() && n%2 == 0 {
			return po.now
		}
	}
	return w.desks[n%len(w.desks)]
}

// request is one call of an agent. It reports whether that is all it wants.
func (w *leaseWorld) request(l *layer, s leaseStep, t *tenant, hours float64) (done bool) {
	call := &leaseCall{rent: t, until: time.Now().Add(time.Duration(hours * float64(time.Hour)))}
	w.mu.Lock()
	there := t.there
	switch s.what {
	case "extend":
		t.asked = later(t.asked, call.until.Add(time.Minute))
	case "start":
		t.doubted = true
	case "release":
		t.released = time.Now()
	}
	w.mu.Unlock()
	if !there || t.plan.byHand && s.what != "label" {
		return true
	}
	switch s.what {
	case "release":
		_, err := l.app.Release(context.WithValue(context.Background(), callKey{}, call), vast.InstanceID(t.id))
		w.tell("%d is released: %v", t.id, err)
		return err == nil
	case "extend":
		return w.ask(l, "extend_lease", fmt.Sprintf(`{"instance_id":%d,"lease_hours":%g%s}`, t.id, hours, onExpiry(s)), call)
	case "start":
		return w.ask(l, "start_instance", fmt.Sprintf(`{"instance_id":%d,"lease_hours":%g%s}`, t.id, hours, onExpiry(s)), call)
	case "label":
		return w.ask(l, "label_instance", fmt.Sprintf(`{"instance_id":%d,"label":"named %d"}`, t.id, s.n), call)
	}
	return w.ask(l, "stop_instance", fmt.Sprintf(`{"instance_id":%d}`, t.id), call)
}

func onExpiry(s leaseStep) string {
	if s.onExpiry == "" {
		return ""
	}
	return fmt.Sprintf(`,"on_expiry":%q`, s.onExpiry)
}

// ask makes one call, and reports whether it was answered with anything but a
// failure.
func (w *leaseWorld) ask(l *layer, name, args string, call *leaseCall) (done bool) {
	call.tool = name
	w.tell("%s is called: %s %s", l.name, name, args)
	results := make(chan tool.Result, 1)
	go func() {
		res, err := l.app.Call(context.WithValue(context.Background(), callKey{}, call), name, json.RawMessage(args), nil)
		w.must(err)
		results <- res
	}()
	select {
	case res := <-results:
		w.tell("%s says of %s %s: %s %v", l.name, name, args, res.Status, res.Failure)
		return res.Failure == nil && res.Status == tool.Done
	case <-l.died:
		return false
	}
}
