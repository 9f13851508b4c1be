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
		found := matchGPU(name, known)
		if len(found) == 0 {
			f := tool.Fail(tool.InvalidArguments, "gpu_names: no GPU is called %q", plain.Line(name, 60)).Hint("list_gpus shows the models on the market")
			if near := tool.Nearest(name, known, 4); len(near) > 0 {
				return nil, f.Hint("did you mean %s?", strings.Join(near, ", "))
			}
			return nil, f
		}
		all = append(all, found...)
	}
	return all, nil
}

// matchGPU is the one name that is spelled so, or ends so ("4090" is the RTX
// 4090), or else the family: "H100" means H100 NVL, PCIE and SXM.
func matchGPU(name string, known []string) []string {
	words := strings.Fields(strings.NewReplacer("_", " ", "-", " ").Replace(strings.ToLower(name)))
	for _, matches := range []func(k string) bool{
		func(k string) bool { return spelled(k) == spelled(name) },
		func(k string) bool { return strings.HasSuffix(" "+strings.ToLower(k), " "+strings.Join(words, " ")) },
		func(k string) bool {
			have := strings.Fields(strings.ToLower(k))
			return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(have, w) })
		},
	} {
		found := slices.DeleteFunc(slices.Clone(known), func(k string) bool { return len(words) == 0 || !matches(k) })
		if len(found) > 0 {
			return found
		}
	}
	return nil
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
// values as they were understood.
func applied(in searchInput, terms []term) map[string]any {
	all := map[string]any{"rentable": true, "pricing": "on demand", "strategy": in.Strategy}
	if in.Interruptible {
		all["pricing"] = "interruptible"
	}
	for _, t := range terms {
		all[t.name] = t.shown
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
