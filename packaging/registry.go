package main

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// entry is the part of the MCP registry's server.json, schema 2025-12-11, that
// we use.
type entry struct {
	Schema      string     `json:"$schema"`
	Name        string     `json:"name"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Version     string     `json:"version"`
	Repository  repository `json:"repository"`
	Packages    []pkg      `json:"packages"`
}

type repository struct {
	URL    string `json:"url"`
	Source string `json:"source"`
}

type pkg struct {
	RegistryType         string    `json:"registryType"`
	Identifier           string    `json:"identifier"`
	FileSHA256           string    `json:"fileSha256,omitempty"`
	RuntimeHint          string    `json:"runtimeHint,omitempty"`
	RuntimeArguments     []input   `json:"runtimeArguments,omitempty"`
	Transport            transport `json:"transport"`
	EnvironmentVariables []input   `json:"environmentVariables,omitempty"`
}

type transport struct {
	Type string `json:"type"`
}

// input is an argument or a variable.
type input struct {
	Type        string `json:"type,omitempty"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Value       string `json:"value,omitempty"`
	Format      string `json:"format,omitempty"`
	Default     string `json:"default,omitempty"`
	IsSecret    bool   `json:"isSecret,omitempty"`
}

// registryEntry is the template for that version, with the bundles, given as
// checksums by file name.
func registryEntry(source, version string, bundles map[string]string) ([]byte, error) {
	var e entry
	if err := readTemplate(filepath.Join(source, "server.json"), &e); err != nil {
		return nil, err
	}
	e.Version = version
	for i := range e.Packages {
		e.Packages[i].Identifier = strings.TrimSuffix(e.Packages[i].Identifier, ":"+unreleased) + ":" + version
	}
	for _, name := range slices.Sorted(maps.Keys(bundles)) {
		e.Packages = append(e.Packages, pkg{
			RegistryType: "mcpb", Identifier: e.Repository.URL + "/releases/download/v" + version + "/" + name,
			FileSHA256: bundles[name], Transport: transport{"stdio"},
		})
	}
	return json.MarshalIndent(e, "", "  ")
}
