package vast_test

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

func TestOperations(t *testing.T) {
	ops := vast.Operations()
	byName := map[string]vast.Operation{}
	path := regexp.MustCompile(`^/api/v[01]/([a-z_]+/|\{[a-z_]+\}/)+$`)
	for _, op := range ops {
		require.NotContains(t, byName, op.Name)
		byName[op.Name] = op
		require.Regexp(t, path, op.Path, "every path ends in a slash")
		require.True(t, op.Method == "PUT" || op.Method == "POST" || op.Method == "DELETE" || !op.Changes, op.Name)
		require.False(t, op.Once && op.Repeatable, op.Name)
		require.True(t, op.Changes || op.Repeatable, "%s reads, so it can be repeated", op.Name)
	}
	once := slices.DeleteFunc(slices.Clone(ops), func(op vast.Operation) bool { return !op.Once })
	require.Len(t, once, 1)
	require.Equal(t, "/api/v0/asks/{id}/", once[0].Path)
	for _, name := range []string{"create instance", "start instance", "reboot instance", "add ssh key"} {
		require.False(t, byName[name].Repeatable, name)
	}
	for _, op := range ops {
		require.Equal(t, slices.Contains([]string{"stop instance", "stop instances", "destroy instance", "destroy instances"}, op.Name), op.Urgent, op.Name)
	}
	require.Equal(t, 4500*time.Millisecond, byName["create instance"].MinInterval)
}

func TestOperationsIsACopy(t *testing.T) {
	vast.Operations()[0].Path = "changed"
	require.NotEqual(t, "changed", vast.Operations()[0].Path)
}
