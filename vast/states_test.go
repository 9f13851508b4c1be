package vast_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

func TestStates(t *testing.T) {
	tests := map[string]struct {
		call               func(context.Context, *vast.InstanceService) error
		method, path, body string
	}{
		"start":   {func(ctx context.Context, s *vast.InstanceService) error { return s.Start(ctx, 7) }, "PUT", "/api/v0/instances/7/", `{"state":"running"}`},
		"stop":    {func(ctx context.Context, s *vast.InstanceService) error { return s.Stop(ctx, 7) }, "PUT", "/api/v0/instances/7/", `{"state":"stopped"}`},
		"label":   {func(ctx context.Context, s *vast.InstanceService) error { return s.SetLabel(ctx, 7, "a <b>") }, "PUT", "/api/v0/instances/7/", `{"label":"a <b>"}`},
		"unlabel": {func(ctx context.Context, s *vast.InstanceService) error { return s.SetLabel(ctx, 7, "") }, "PUT", "/api/v0/instances/7/", `{"label":""}`},
		"reboot":  {func(ctx context.Context, s *vast.InstanceService) error { return s.Reboot(ctx, 7) }, "PUT", "/api/v0/instances/reboot/7/", `{}`},
		"destroy": {func(ctx context.Context, s *vast.InstanceService) error { return s.Destroy(ctx, 7) }, "DELETE", "/api/v0/instances/7/", `{}`},
	}
	for name, tt := range tests {
		for _, answer := range []string{`{"success":true}`, `{"success":true,"msg":"done"}`, `{"id":7,"actual_status":"running"}`} {
			c, network := scripted(t, ok(answer))
			require.NoError(t, tt.call(t.Context(), c.Instances), name)
			require.Equal(t, tt.method, network.sent[0].method)
			require.Equal(t, tt.path, network.sent[0].path)
			require.JSONEq(t, tt.body, network.sent[0].body)
		}
	}
}

// Without an id the path of a destroy would be that of the bulk destroy.
func TestIDsMustBePositive(t *testing.T) {
	c, network := scripted(t, ok(`{"success":true}`))
	for _, id := range []vast.InstanceID{0, -1} {
		require.ErrorIs(t, c.Instances.Destroy(t.Context(), id), vast.Invalid)
		require.ErrorIs(t, c.Instances.DestroyMany(t.Context(), []vast.InstanceID{1, id}), vast.Invalid)
		require.ErrorIs(t, c.Instances.StopMany(t.Context(), []vast.InstanceID{1, id}), vast.Invalid)
	}
	require.Empty(t, network.sent)
}

func TestManyAtOnce(t *testing.T) {
	tests := map[string]struct {
		call         func(*vast.InstanceService, context.Context, []vast.InstanceID) error
		method, list string
		last         string // of three bodies, as the official client sends it
	}{
		"stop":    {(*vast.InstanceService).StopMany, "PUT", "ids", `{"state":"stopped","ids":[129,130]}`},
		"destroy": {(*vast.InstanceService).DestroyMany, "DELETE", "instance_ids", `{"instance_ids":[129,130]}`},
	}
	var ids []vast.InstanceID
	for id := range 130 {
		ids = append(ids, vast.InstanceID(id+1))
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, network := scripted(t, ok(`{"success":true}`), ok(`{"success":false,"msg":"no"}`), ok(`{"success":true}`))
			err := tt.call(c.Instances, t.Context(), ids)
			require.ErrorIs(t, err, vast.Refused)
			require.False(t, vast.Uncertain(err))
			require.Len(t, network.sent, 3, "one refusal must not keep the rest alive")
			for i, size := range []int{64, 64, 2} {
				require.Equal(t, tt.method, network.sent[i].method)
				require.Equal(t, "/api/v0/instances/", network.sent[i].path)
				require.Len(t, network.sent[i].decoded(t)[tt.list], size)
			}
			require.Equal(t, tt.last, network.sent[2].body)

			c, _ = scripted(t, status(400, "{}"), failure(errReset))
			err = tt.call(c.Instances, t.Context(), ids)
			require.True(t, vast.Uncertain(fmt.Errorf("cleaning up: %w", err)), "one of the requests may have been heard")

			c, network = scripted(t, ok(`{"success":true}`))
			require.NoError(t, tt.call(c.Instances, t.Context(), nil))
			require.Empty(t, network.sent)
		})
	}
}
