// Command packaging turns the binaries in a folder into what is released: a
// bundle of each for MCP clients, the entry for the MCP registry, and checksums.
//
// The one rule: the same binaries give the same bytes, and what the program
// itself knows, its version and its tools, is taken from it.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		_, _ = fmt.Fprintln(os.Stderr, "usage: go run ./packaging FOLDER")
		os.Exit(2)
	}
	if err := release("packaging", os.Args[1]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// release packs the binaries of the folder dist, by the templates of the folder
// source.
func release(source, dist string) error {
	binaries, err := findBinaries(dist)
	if err != nil {
		return err
	}
	bundles := map[string]string{} // checksum by file name
	for _, b := range binaries {
		data, err := bundle(source, b)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("vast-mcp_%s_%s.mcpb", b.os, b.arch)
		bundles[name] = checksum(data)
		if err := publish(filepath.Join(dist, name), data); err != nil {
			return err
		}
	}
	entry, err := registryEntry(source, binaries[0].version, bundles)
	if err != nil {
		return err
	}
	if err := publish(filepath.Join(dist, "server.json"), entry); err != nil {
		return err
	}
	return writeChecksums(dist)
}

// binary is one build of vast-mcp.
type binary struct {
	path, os, arch, version string
}

func findBinaries(dist string) ([]binary, error) {
	files, err := os.ReadDir(dist)
	if err != nil {
		return nil, err
	}
	pattern := regexp.MustCompile(`^vast-mcp_([a-z]+)_([a-z0-9]+)(\.exe)?$`)
	var all []binary
	for _, f := range files {
		name := pattern.FindStringSubmatch(f.Name())
		if name == nil {
			continue
		}
		path := filepath.Join(dist, f.Name())
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, binary{path, name[1], name[2], plainVersion(info.Main.Version)})
	}
	if len(all) == 0 {
		return nil, errors.New("no binaries in " + dist + ": run make dist")
	}
	return all, nil
}

// plainVersion is what main.version prints, as registries want it: without its
// v, and without what follows a +, which image tags cannot hold.
func plainVersion(built string) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(built, "v"), "+")
	if version == "" || version == "(devel)" {
		return unreleased
	}
	return version
}

// unreleased is the version of the templates, and of a build of no commit.
const unreleased = "0.0.0"

func checksum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// writeChecksums covers every file, in the format of sha256sum.
func writeChecksums(dist string) error {
	files, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	var lines []string
	for _, f := range files {
		if f.Name() == checksumsFile {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dist, f.Name())) //nolint:gosec // the folder that was named
		if err != nil {
			return err
		}
		lines = append(lines, checksum(data)+"  "+f.Name()+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return publish(filepath.Join(dist, checksumsFile), []byte(strings.Join(lines, "")))
}

const checksumsFile = "SHA256SUMS"

func publish(path string, data []byte) error {
	return os.WriteFile(path, data, 0o644) //nolint:gosec // everybody may read a release
}
