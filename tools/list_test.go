package tools_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// TestNothingIsOwned says how certain that is: by the list, the orders that are
// open and the volumes, which bill when everything else is gone.
func TestNothingIsOwned(t *testing.T) {
	cut := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.Path, "/volumes/") {
				return nil, fmt.Errorf("no route to host")
			}
			return next.RoundTrip(req)
		})
	}
	fresh := journal.New(filepath.Join(t.TempDir(), "journal.db"), vast.SystemClock{}.Now)
	for name, c := range map[string]struct {
		options rig.Options
		volume  bool
		want    string
	}{
		"proven":             {rig.Options{}, false, "No order is open and there are no volumes: nothing costs money."},
		"a volume":           {rig.Options{}, true, ", 20 GB, goes on costing $0.004167/h until it is deleted."},
		"volumes unreadable": {rig.Options{Transport: cut}, false, "whether there are volumes could not be read"},
		"no record":          {rig.Options{Journal: fresh}, false, "by the list alone: this program has no record"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, c.options)
			if c.volume {
				r.Do(http.MethodPut, "/api/v0/volumes/", map[string]any{"id": 500_000_001, "size": 20, "name": "kept"})
			}
			text := text(t, r, "list_instances", "{}")
			require.Contains(t, text, "the list is complete and empty")
			require.Contains(t, text, c.want)
		})
	}
}
