package rental_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
)

// TestDestroyingWhatIsPartlyGone: what is left can still be ended, and what
// never was is no such instance.
func TestDestroyingWhatIsPartlyGone(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		first, second := b.rented("RTX 4090"), b.rented("RTX 3090")
		require.NoError(t, b.Client.Instances.Destroy(t.Context(), first))
		b.Fails(tool.NotFound, "destroy_instance", fmt.Sprintf(`{"instance_ids":[%d,987654]}`, second))
		both := fmt.Sprintf(`{"instance_ids":[%d,%d]}`, first, second)
		b.ask("destroy_instance", both)
		require.Equal(t, tool.Done, b.answer(b.Call("destroy_instance", both)).Status)
		require.Empty(t, b.counting(), "none holds a place against the caps")
		require.True(t, b.answer(b.Call("destroy_instance", both)).Replayed)
	})
}

// TestARefusedStopKeepsItsYes: and the same call tries again.
func TestARefusedStopKeepsItsYes(t *testing.T) {
	on(t, rig.Options{}, func(t *testing.T, b *bench) {
		t.Helper()
		id := b.foreign("RTX 3090", "by hand")
		b.ask("stop_instance", one(id))
		b.Break("stop:before:400:1")
		b.Fails(tool.InvalidArguments, "stop_instance", one(id))
		require.Equal(t, tool.Done, b.answer(b.Call("stop_instance", one(id))).Status)
	})
}
