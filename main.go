// vast-mcp lets AI agents rent and run GPUs on the Vast.ai marketplace over
// the Model Context Protocol.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"vast-mcp/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	code := cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, version())
	stop()
	os.Exit(code)
}

// version is what the build was made from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
