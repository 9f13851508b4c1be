package vast

import (
	"context"
	"errors"
	"slices"
)

// Start asks for an instance to run. When its GPUs are taken the error is
// Queued: the API then starts it, and bills it, whenever they are free
// again, unless Stop takes the wish back.
func (s *InstanceService) Start(ctx context.Context, id InstanceID) error {
	return s.set(ctx, opStart, id, map[string]string{"state": "running"})
}

// Stop stops an instance, or a queued start of it. Its disk is kept and
// billed. Stopping one that is stopped does nothing.
func (s *InstanceService) Stop(ctx context.Context, id InstanceID) error {
	return s.set(ctx, opStop, id, map[string]string{"state": "stopped"})
}

// SetLabel names an instance. An empty label removes the name.
func (s *InstanceService) SetLabel(ctx context.Context, id InstanceID, label string) error {
	return s.set(ctx, opLabel, id, map[string]string{"label": label})
}

// Reboot stops and starts the container, which keeps its GPUs.
func (s *InstanceService) Reboot(ctx context.Context, id InstanceID) error {
	return s.set(ctx, opReboot, id, nil)
}

// Destroy ends a rental and erases its disk. It is NotFound only when the
// API says that there is no such instance; a refused key is never that.
func (s *InstanceService) Destroy(ctx context.Context, id InstanceID) error {
	return s.set(ctx, opDestroy, id, nil)
}

func (s *InstanceService) set(ctx context.Context, name operation, id InstanceID, body any) error {
	return s.c.do(ctx, name, request{ids: []int64{int64(id)}, body: body}, nil)
}

// StopMany stops several instances, or queued starts of them, and keeps their
// disks. It does not tell which of them were there, and one that is not may
// keep 63 others from being stopped; look at the list afterwards.
func (s *InstanceService) StopMany(ctx context.Context, ids []InstanceID) error {
	return s.many(ctx, opStopMany, ids, func(chunk []InstanceID) any {
		return struct {
			State string       `json:"state"`
			IDs   []InstanceID `json:"ids"`
		}{"stopped", chunk}
	})
}

// DestroyMany ends several rentals and erases their disks. It does not tell
// which of them were there; look at the list afterwards.
func (s *InstanceService) DestroyMany(ctx context.Context, ids []InstanceID) error {
	return s.many(ctx, opDestroyMany, ids, func(chunk []InstanceID) any {
		return map[string][]InstanceID{"instance_ids": chunk}
	})
}

const maxMany = 64 // per request

// many sends as many requests as ids need. One that fails does not keep the
// others from being sent.
func (s *InstanceService) many(ctx context.Context, name operation, ids []InstanceID, body func(chunk []InstanceID) any) error {
	if slices.ContainsFunc(ids, func(id InstanceID) bool { return id <= 0 }) {
		return invalid(name, "an id must be a positive number")
	}
	var failed []error
	for chunk := range slices.Chunk(ids, maxMany) {
		failed = append(failed, s.c.do(ctx, name, request{body: body(chunk)}, nil))
	}
	return errors.Join(failed...)
}
