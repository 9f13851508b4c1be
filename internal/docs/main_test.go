package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/cli"
	"vast-mcp/tools"
	"vast-mcp/vast"
)

func TestPagesAreFresh(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for _, p := range pages() {
		have, err := os.ReadFile(p.path)
		require.NoError(t, err)
		want, err := p.render(p.path)
		require.NoError(t, err)
		require.Equal(t, want, string(have), "%s is stale: run make docs", p.path)
	}
}

func TestFillWantsItsMarkers(t *testing.T) {
	_, err := fill("no markers here", "tools", "x")
	require.ErrorContains(t, err, `no block "tools"`)
	got, err := fill("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb", "x", "new\n")
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb", got)
}

// TestTheReadmeKnowsEveryCommandAndFlag: what --help shows is written down, and
// nothing else.
func TestTheReadmeKnowsEveryCommandAndFlag(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	var help, problems bytes.Buffer
	require.Zero(t, cli.Main(t.Context(), []string{"--help"}, strings.NewReader(""), &help, &problems, "docs"), problems.String())
	flags, commands, found := strings.Cut(help.String(), "\nCommands:\n")
	require.True(t, found)
	for _, command := range []string{"http", "sandbox", "install", "journal", "demo", "reap", "leases"} {
		help.Reset()
		require.Zero(t, cli.Main(t.Context(), []string{command, "--help"}, strings.NewReader(""), &help, &problems, "docs"), problems.String())
		flags += help.String()
	}
	names := regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(commands, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		if name[1] != "stdio" && name[1] != "version" {
			require.Regexp(t, "`(vast-mcp )?"+name[1]+"[ `]", string(page), "the README does not say what %s does", name[1])
		}
	}
	for _, flag := range regexp.MustCompile("`(--[a-z-]+)").FindAllStringSubmatch(string(page), -1) {
		require.Contains(t, flags, flag[1], "the README shows a flag that does not exist")
	}
}

// TestEveryPromiseHasItsTest: those that the README names are there.
func TestEveryPromiseHasItsTest(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	_, promises, found := strings.Cut(string(page), "## What it will not let happen")
	require.True(t, found)
	promises, _, _ = strings.Cut(promises, "What it cannot promise")
	for promise := range strings.SplitSeq(strings.TrimSpace(promises), "\n* ") {
		tests := regexp.MustCompile(`\[(Test\w+)\]\(([\w/]+_test\.go)\)`).FindAllStringSubmatch(promise, -1)
		require.True(t, len(tests) > 0 || strings.HasPrefix(promise, "Each line"), "no test holds: %s", promise)
		for _, test := range tests {
			code, err := os.ReadFile(filepath.Join(root, test[2]))
			require.NoError(t, err)
			require.Contains(t, string(code), "func "+test[1]+"(t *testing.T)")
		}
	}
}

// TestTheCoverageNamesWhatThereIs: operations of the client, and tools.
func TestTheCoverageNamesWhatThereIs(t *testing.T) {
	known := []string{reap}
	for _, set := range tools.Sets(tools.Deps{}) {
		for _, x := range set.Tools {
			known = append(known, x.Name)
		}
	}
	all := toolsOf()
	for _, op := range vast.Operations() {
		require.NotEmpty(t, all[op.Name], "no tool stands on %s", op.Name)
		require.Subset(t, known, all[op.Name])
		delete(all, op.Name)
	}
	require.Empty(t, all)
}
