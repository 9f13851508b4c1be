package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// parseEnv reads a create request's env: variables, ports and volumes in one
// object. The API takes a string, too, and does nothing with it.
func parseEnv(raw json.RawMessage) ([][2]string, bool) {
	var values map[string]any
	if json.Unmarshal(raw, &values) != nil {
		return nil, true
	}
	total, ports := 0, 0
	var env [][2]string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := fmt.Sprint(values[name])
		total += len(name) + len(value)
		if len(name)+len(value) > maxEnvEntry {
			return nil, false
		}
		if strings.HasPrefix(name, "-p ") {
			ports++
		}
		env = append(env, [2]string{name, value})
	}
	return env, total <= maxEnv && ports <= maxPorts
}

// parseFlags reads a template's env, which is written as docker's flags.
func parseFlags(flags string) [][2]string {
	var env [][2]string
	words := strings.Fields(flags)
	for i := 0; i+1 < len(words); i += 2 {
		switch word := words[i+1]; words[i] {
		case "-e":
			name, value, _ := strings.Cut(word, "=")
			env = append(env, [2]string{name, strings.Trim(value, `"'`)})
		case "-p", "-v":
			env = append(env, [2]string{words[i] + " " + word, "1"})
		}
	}
	return env
}

// fillFrom adds what the request left open. Its env wins, name by name.
func (l *launch) fillFrom(t templateRow) {
	l.TemplateID, l.TemplateHash, l.TemplateName = &t.ID, &t.HashID, &t.Name
	if l.Image == "" {
		l.Image = t.Image + ":" + t.Tag
	}
	if l.Onstart == nil && t.Onstart != "" {
		l.Onstart = &t.Onstart
	}
	if l.Runtype == "" {
		l.Runtype = t.launchMode()
	}
	if l.Args == nil && t.ArgsStr != "" {
		l.Args = strings.Fields(t.ArgsStr)
	}
	for _, entry := range parseFlags(t.Env) {
		if !slices.ContainsFunc(l.Env, func(have [2]string) bool { return have[0] == entry[0] }) {
			l.Env = append(l.Env, entry)
		}
	}
}

const automaticTag = "@vastai-automatic-tag"

// resolveTag picks what the host's CUDA can run, for the images that are
// tagged so.
func resolveTag(image string, cuda float64) string {
	repo, tag := splitImage(image)
	if tag == automaticTag && strings.HasPrefix(repo, "vastai/") {
		return fmt.Sprintf("%s:cuda-%.1f-auto", repo, cuda)
	}
	return image
}

// ports are the container's ports that are to be open, such as "8080/tcp".
func (l launch) ports() []string {
	var ports []string
	add := func(port string) {
		if !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	if strings.Contains(l.Runtype, "ssh_direc") || strings.Contains(l.Runtype, "jupyter_direc") {
		add("22/tcp")
	}
	if strings.Contains(l.Runtype, "jupyter_direc") {
		add("8080/tcp")
	}
	for _, entry := range l.Env {
		mapping, ok := strings.CutPrefix(entry[0], "-p ")
		if !ok {
			continue
		}
		inner := mapping[strings.LastIndexByte(mapping, ':')+1:]
		if !strings.Contains(inner, "/") {
			inner += "/tcp"
		}
		add(inner)
	}
	return ports
}

// identityPort is true for the numbers that stand for "the same inside as
// outside".
func identityPort(port string) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n >= 70_000
}
