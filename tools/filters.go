package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/tool"
	"vast-mcp/vast"
)

// nameCache holds the GPU names that the API knows, asked for once: new models
// appear a few times a year.
type nameCache struct {
	mu    sync.Mutex
	names []string
}

func (c *nameCache) get(ctx context.Context, m Market) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names != nil {
		return c.names, nil
	}
	names, err := m.GPUNames(ctx)
	if err != nil {
		return nil, err
	}
	c.names = names
	return names, nil
}

// resolveGPUs turns names as people write them into the API's spelling. A name
// that no card has is an error, for the API would answer an empty list.
func (o *offers) resolveGPUs(ctx context.Context, asked []string) ([]string, error) {
	known, err := o.names.get(ctx, o.market)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range asked {
		i := slices.IndexFunc(known, func(k string) bool { return spelled(k) == spelled(name) })
		if i < 0 {
			f := tool.Fail(tool.InvalidArguments, "gpu_names: no GPU is called %q", plain.Line(name, 60)).Hint("list_gpus shows the models on the market")
			if near := tool.Nearest(name, known, 4); len(near) > 0 {
				return nil, f.Hint("did you mean %s?", strings.Join(near, ", "))
			}
			return nil, f
		}
		all = append(all, known[i])
	}
	return all, nil
}

// spelled drops what people vary in a GPU's name: case, spaces, dashes,
// underscores and the makers.
func spelled(name string) string {
	name = strings.NewReplacer("_", "", " ", "", "-", "").Replace(strings.ToLower(name))
	for _, maker := range []string{"nvidia", "geforce"} {
		name = strings.TrimPrefix(name, maker)
	}
	return name
}

// applied is the filter as the caller can check it: by argument, with the
// values that were really used.
func applied(in searchInput, terms []term) map[string]any {
	all := map[string]any{"rentable": true, "pricing": "on demand", "strategy": in.Strategy}
	if in.Interruptible {
		all["pricing"] = "interruptible"
	}
	for _, t := range terms {
		for field, ops := range t.add(vast.Filter{}) {
			for op, value := range ops {
				all[field+" "+op] = value
			}
		}
	}
	return all
}

func filterText(f map[string]any) string {
	parts := make([]string, 0, len(f))
	for _, k := range slices.Sorted(maps.Keys(f)) {
		v, err := json.Marshal(f[k])
		if err != nil {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s", k, plain.Line(string(v), 120)))
	}
	return strings.Join(parts, ", ")
}
