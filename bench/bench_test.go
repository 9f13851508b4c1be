package bench_test

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	hello  = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}` + "\n"
	search = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"search_offers","arguments":{"limit":10}}}` + "\n"
	ping   = `{"jsonrpc":"2.0","id":3,"method":"ping"}` + "\n"
)

func build(b *testing.B) string {
	b.Helper()
	bin := filepath.Join(b.TempDir(), "vast-mcp")
	out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bin, "..").CombinedOutput()
	require.NoError(b, err, string(out))
	return bin
}

// process is a running server and its streams.
type process struct {
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

func start(b *testing.B, bin, state string) process {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), bin, "--sandbox", "--state-dir", state)
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	return process{in, bufio.NewReader(out), cmd}
}

func (p process) ask(b *testing.B, line string) {
	b.Helper()
	_, err := io.WriteString(p.in, line)
	require.NoError(b, err)
	_, err = p.out.ReadBytes('\n')
	require.NoError(b, err)
}

func (p process) end(b *testing.B) {
	b.Helper()
	require.NoError(b, p.in.Close())
	require.NoError(b, p.cmd.Wait())
}

// BenchmarkStartToInitialize is a whole process from exec to its first answer.
func BenchmarkStartToInitialize(b *testing.B) {
	bin, state := build(b), b.TempDir()
	for b.Loop() {
		p := start(b, bin, state)
		p.ask(b, hello)
		p.end(b)
	}
}

// BenchmarkCallOverStdio compares a tool call with a ping on the same pipe: the
// difference is decoding, the market and the view.
func BenchmarkCallOverStdio(b *testing.B) {
	bin := build(b)
	for name, line := range map[string]string{"ping": ping, "search_offers": search} {
		b.Run(name, func(b *testing.B) {
			p := start(b, bin, b.TempDir())
			p.ask(b, hello)
			p.ask(b, line)
			for b.Loop() {
				p.ask(b, line)
			}
			p.end(b)
		})
	}
}
