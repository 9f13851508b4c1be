package vast_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

const templateHash = "0123456789abcdef0123456789abcdef"

func TestGetTemplate(t *testing.T) {
	c, network := scripted(t, fixture(t, "templates"))
	found, err := c.Templates.Get(t.Context(), templateHash)
	require.NoError(t, err)
	require.Equal(t, vast.Template{
		ID: 312345, Hash: templateHash, Name: "PyTorch example", Image: "vastai/pytorch", Tag: "@vastai-automatic-tag",
		Description: "Example template",
		Env:         "-p 1111:1111 -p 8080:8080 -p 72299:72299 -e OPEN_BUTTON_PORT=1111 -e DATA_DIRECTORY=/workspace/",
		OnStart:     "entrypoint.sh", RunType: "jupyter", UseSSH: true, SSHDirect: true, JupyterDirect: true, JupyterDir: "/",
		ExtraFilters: `{"cuda_max_good": {"gte": 12.6}}`, RecommendedDiskGB: 32, Private: true, CreatorID: 777001,
	}, found)
	query, err := url.ParseQuery(network.sent[0].query)
	require.NoError(t, err)
	require.Equal(t, "/api/v0/template/", network.sent[0].path)
	require.Equal(t, url.Values{"select_filters": {`{"hash_id":{"eq":"` + templateHash + `"}}`}, "select_cols": {`["*"]`}}, query)
}

func TestGetTemplateThatIsNotThere(t *testing.T) {
	c, _ := scripted(t, ok(`{"success":true,"templates_found":0,"templates":[]}`), fixture(t, "templates"), status(400, "{}"))
	_, err := c.Templates.Get(t.Context(), templateHash)
	require.ErrorIs(t, err, vast.NotFound)
	_, err = c.Templates.Get(t.Context(), "another")
	require.ErrorIs(t, err, vast.NotFound, "the filter may have been ignored")
	_, err = c.Templates.Get(t.Context(), templateHash)
	require.ErrorIs(t, err, vast.Invalid)
}

func TestSearchTemplates(t *testing.T) {
	c, network := scripted(t, ok(`{"templates":[{"id":"5","extra_filters":{"a":{"eq":1}},"vm":null}]}`), ok(`{}`))
	found, err := c.Templates.Search(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, []vast.Template{{ID: 5, ExtraFilters: `{"a":{"eq":1}}`}}, found)
	require.Contains(t, network.sent[0].query, "select_filters=%7B%7D", "the API insists on a filter")

	_, err = c.Templates.Search(t.Context(), vast.Filter{})
	require.ErrorIs(t, err, vast.Garbled)
	_, err = c.Templates.Search(t.Context(), vast.Filter{"name": {"like": "x"}})
	require.ErrorIs(t, err, vast.Invalid)
}
