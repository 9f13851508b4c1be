package install

import (
	"maps"
	"slices"
	"strings"
)

// Server is this MCP server as a client is to start it.
type Server struct {
	Name    string   // the entry's name
	Command string   // absolute path of the program
	Args    []string // may be empty
	Key     string   // goes into the entry as VAST_API_KEY, unless empty
}

const keyVariable = "VAST_API_KEY"

// field is one key of an entry. Values are what a decoder returns: string,
// bool, []any, map[string]any.
type field struct {
	key   string
	value any
	// initial fields are set when the entry is new; from then on they are the
	// user's.
	initial bool
}

func texts(list ...string) []any {
	all := make([]any, len(list))
	for i, s := range list {
		all[i] = s
	}
	return all
}

// environment is the field with the API key, or nothing.
func environment(name string, s Server) []field {
	if s.Key == "" {
		return nil
	}
	return []field{{key: name, value: map[string]any{keyVariable: s.Key}}}
}

func plain(s Server) []field {
	return append([]field{{key: "command", value: s.Command}, {key: "args", value: texts(s.Args...)}}, environment("env", s)...)
}

func stdio(s Server) []field {
	return append([]field{{key: "type", value: "stdio"}}, plain(s)...)
}

func copilot(s Server) []field {
	fields := append([]field{{key: "type", value: "local"}}, plain(s)...)
	return append(fields, field{key: "tools", value: texts("*"), initial: true})
}

func opencode(s Server) []field {
	command := append([]string{s.Command}, s.Args...)
	fields := []field{{key: "type", value: "local"}, {key: "command", value: texts(command...)}}
	return append(append(fields, environment("environment", s)...), field{key: "enabled", value: true, initial: true})
}

// codex hands a server only the variables that it is told to.
func codex(s Server) []field {
	fields := []field{
		{key: "command", value: s.Command},
		{key: "args", value: texts(s.Args...)},
		{key: "env_vars", value: texts(keyVariable), initial: true},
	}
	return append(fields, environment("env", s)...)
}

// merge returns the entry with the fields set. What else it holds stays.
func merge(entry map[string]any, fields []field) map[string]any {
	merged := map[string]any{}
	maps.Copy(merged, entry)
	for _, f := range fields {
		if inner, ok := f.value.(map[string]any); ok {
			old, _ := merged[f.key].(map[string]any)
			merged[f.key] = merge(old, ordered(inner, nil))
			continue
		}
		merged[f.key] = f.value
	}
	return merged
}

// ordered lists an entry's keys: those of like first, in its order, then the
// others by name.
func ordered(entry map[string]any, like []field) []field {
	var fields []field
	for _, f := range like {
		if value, ok := entry[f.key]; ok {
			fields = append(fields, field{key: f.key, value: value})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(entry)) {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.key == key }) {
			fields = append(fields, field{key: key, value: entry[key]})
		}
	}
	return fields
}

// Entry is what stands in a client's file.
type Entry struct {
	Command []string // the program and its arguments
	Key     bool     // it holds an API key
}

func entryOf(fields map[string]any) *Entry {
	e := &Entry{}
	program, args := fields["command"], fields["args"]
	if inner, ok := program.(map[string]any); ok { // as in Zed's older files
		program, args = inner["path"], inner["args"]
	}
	words, list := program.([]any)
	if !list {
		words = []any{program}
	}
	more, _ := args.([]any)
	for _, word := range slices.Concat(words, more) {
		text, _ := word.(string)
		e.Command = append(e.Command, text)
	}
	for _, name := range []string{"env", "environment"} {
		variables, _ := fields[name].(map[string]any)
		_, key := variables[keyVariable]
		e.Key = e.Key || key
	}
	return e
}

// ours reports whether the entry starts a vast-mcp, under its name or another.
func (e *Entry) ours(program string) bool {
	if len(e.Command) == 0 {
		return false
	}
	path := e.Command[0]
	base := path[strings.LastIndexAny(path, `/\`)+1:]
	return path == program || strings.HasPrefix(base, "vast-mcp")
}
