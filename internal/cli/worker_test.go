package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/cli"
)

// TestAProcessIsKnownToHaveEnded: one of this machine whose number nothing runs
// under. What cannot be known has not.
func TestAProcessIsKnownToHaveEnded(t *testing.T) {
	require.False(t, cli.WorkerEnded(cli.Worker()))
	host, _, found := strings.Cut(cli.Worker(), "/")
	require.True(t, found)

	child := exec.Command(os.Args[0], "-test.run", "^$")
	require.NoError(t, child.Run())
	ended := fmt.Sprintf("%s/%d", host, child.Process.Pid)
	require.True(t, cli.WorkerEnded(ended))
	require.False(t, cli.WorkerEnded("elsewhere/"+fmt.Sprint(child.Process.Pid)))
	for _, name := range []string{"", host, host + "/", host + "/x"} {
		require.False(t, cli.WorkerEnded(name), "%q", name)
	}
}
