package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vast-mcp/internal/tool"
	"vast-mcp/tools"
)

// bundle packs one binary for MCP clients that install bundles: a zip of the
// manifest and server/vast-mcp.
func bundle(source string, b binary) ([]byte, error) {
	executable, err := os.ReadFile(b.path)
	if err != nil {
		return nil, err
	}
	name := "server/vast-mcp" + filepath.Ext(b.path)
	about, err := manifest(source, b, name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range []struct {
		name string
		mode fs.FileMode
		data []byte
	}{{"manifest.json", 0o644, about}, {name, 0o755, executable}} {
		// One date for all: the same content is the same bundle.
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(f.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err = z.Close()
	return out.Bytes(), err
}

// manifest fills the template with what only the program knows.
func manifest(source string, b binary, executable string) ([]byte, error) {
	var m map[string]any
	if err := readTemplate(filepath.Join(source, "manifest.json"), &m); err != nil {
		return nil, err
	}
	server, _ := m["server"].(map[string]any)
	config, ok := server["mcp_config"].(map[string]any)
	if !ok {
		return nil, errors.New("manifest.json has no server.mcp_config")
	}
	server["entry_point"], config["command"] = executable, "${__dirname}/"+executable
	system := b.os
	if system == "windows" {
		system = "win32"
	}
	m["compatibility"] = map[string]any{"platforms": []string{system}}
	m["version"] = b.version
	listed, err := toolList()
	if err != nil {
		return nil, err
	}
	m["tools"] = listed
	return json.MarshalIndent(m, "", "  ")
}

// listedTool is a tool as a manifest names it.
type listedTool struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// toolList is what the program offers unless it is told otherwise.
func toolList() ([]listedTool, error) {
	sets, err := tool.Selection{}.Select(tools.Sets(tools.Deps{}))
	var all []listedTool
	for _, set := range sets {
		for _, t := range set.Tools {
			all = append(all, listedTool{t.Name, t.Doc})
		}
	}
	return all, err
}

func readTemplate(path string, into any) error {
	data, err := os.ReadFile(path) //nolint:gosec // a file of the tree
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
