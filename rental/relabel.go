package rental

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	"vast-mcp/internal/plain"
	"vast-mcp/vast"
)

// locks is one lock for each instance. Its zero value is ready for use.
type locks struct {
	mu   sync.Mutex
	held map[vast.InstanceID]chan struct{} // closed when it is let go
}

// lock takes the lock of id and returns what lets it go again.
func (l *locks) lock(id vast.InstanceID) (unlock func()) {
	for {
		l.mu.Lock()
		busy, held := l.held[id]
		if !held {
			break
		}
		l.mu.Unlock()
		<-busy
	}
	defer l.mu.Unlock()
	free := make(chan struct{})
	if l.held == nil {
		l.held = map[vast.InstanceID]chan struct{}{}
	}
	l.held[id] = free
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, id)
		close(free)
	}
}

// Relabel changes the text of an instance's label. The lease behind it stays.
func (d *Desk) Relabel(ctx context.Context, id vast.InstanceID, text string) (vast.Instance, error) {
	if err := checkText(text); err != nil {
		return vast.Instance{}, err
	}
	return d.rewrite(ctx, id, func(label string) (string, error) {
		if _, tail, ok := ParseLabel(label); ok {
			return FormatLabel(text, tail, maxForeignLabel), nil
		}
		if strings.HasSuffix(label, releasedMark) {
			return strings.TrimSpace(cleanText(text) + " " + releasedMark), nil
		}
		return cleanText(text), nil
	})
}

// writeLease puts the tail behind the text of an instance's label, or of the
// label that it lost. What its owner wrote there is kept whole, or the label is
// left alone.
func (d *Desk) writeLease(ctx context.Context, id vast.InstanceID, lost string, t Tail) error {
	_, err := d.rewrite(ctx, id, func(label string) (string, error) {
		text, old, leased := ParseLabel(label)
		if !leased && !leavesRoom(text, t) {
			return "", noRoom()
		}
		t.IdleMinutes = cmp.Or(t.IdleMinutes, old.IdleMinutes)
		return FormatLabel(textOf(label, lost), t, maxForeignLabel), nil
	})
	return err
}

// textOf is the text of a label, without what is left of a damaged lease in it.
// Where nothing is left, it is the text of the label that was lost.
func textOf(label, lost string) string {
	text, _, leased := ParseLabel(label)
	if !leased {
		text, _, _ = strings.Cut(text, tailMark)
	}
	if text = strings.TrimSpace(text); text == "" {
		text, _, _ = ParseLabel(lost)
	}
	return text
}

// leavesRoom reports whether the tail fits behind a text that is kept whole.
func leavesRoom(text string, t Tail) bool { return len(text) < maxForeignLabel-len(t.String()) }

func noRoom() error {
	return &BadRequest{"instance_id", "its label is too long to carry a lease", "shorten the label with label_instance first"}
}

// rewrite changes an instance's label by what it is now. Nobody else in this
// program writes it in between.
func (d *Desk) rewrite(ctx context.Context, id vast.InstanceID, change func(label string) (string, error)) (vast.Instance, error) {
	defer d.labels.lock(id)()
	row, err := d.client.Instances.Get(ctx, id)
	if err != nil {
		return row, err
	}
	label, err := change(row.Label)
	if err != nil {
		return row, err
	}
	if err := d.writeLabel(ctx, id, label); err != nil {
		return row, err
	}
	row.Label = label
	return row, nil
}

// writeLabel writes a label and reads it back: a rental counts as leased only
// when its lease was read from where it is enforced. The caller holds the lock.
func (d *Desk) writeLabel(ctx context.Context, id vast.InstanceID, label string) error {
	if err := d.client.Instances.SetLabel(ctx, id, label); err != nil {
		return err
	}
	row, err := d.client.Instances.Get(ctx, id)
	if err != nil {
		return err
	}
	if strings.TrimSpace(row.Label) != strings.TrimSpace(label) {
		return &vast.Error{
			Op: "label instance", Code: vast.Refused,
			Message: fmt.Sprintf("it took the label of instance %d and keeps another: %q", id, plain.Line(row.Label, 80)),
		}
	}
	return nil
}
