package vast_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/vast"
)

func TestGetInstance(t *testing.T) {
	c, network := scripted(t, fixture(t, "instance_running"))
	i, err := c.Instances.Get(t.Context(), 45001234)
	require.NoError(t, err)
	require.Equal(t, "GET", network.sent[0].method)
	require.Equal(t, "/api/v0/instances/45001234/", network.sent[0].path)
	require.Equal(t, "owner=me", network.sent[0].query)
	require.Equal(t, vast.Instance{
		ID: 45001234, MachineID: 30567, HostID: 90210, Status: "running", Wanted: "running",
		ContractState: "running", NextContractState: "running",
		StatusMessage: "success, running vastai/pytorch_2.7.1-cuda-12.8.1/ssh", Label: "train-a",
		Image: "vastai/pytorch:2.7.1-cuda-12.8.1", LaunchMode: "ssh ssh_direc ssh_proxy", OnStart: "entrypoint.sh",
		Env: [][2]string{{"TZ", "UTC"}, {"-p 8000:8000", "1"}}, PublicIP: "203.0.113.27",
		SSHHost: "ssh4.vast.ai", SSHPort: 11234,
		Ports: map[string][]vast.PortBinding{
			"22/tcp":   {{HostIP: "0.0.0.0", HostPort: "41022"}, {HostIP: "::", HostPort: "41022"}},
			"8000/tcp": {{HostIP: "0.0.0.0", HostPort: "41077"}, {HostIP: "::", HostPort: "41077"}},
		},
		GPUName: "RTX 4090", NumGPUs: 2, GPURAMMB: 24564, GPUUtil: new(97.), GPUTemp: new(64.),
		CPUCoresEffective: 32, CPUUtil: new(38.5), MemLimitGB: new(128.8), MemUsedGB: new(21.4),
		DiskGB: 40, DiskUsedGB: new(17.2), UploadMbps: 921.7, DownloadMbps: 1843.2, UploadedMB: 327, DownloadedMB: 29184,
		PerHour: 0.8111111111111111, GPUPerHour: 0.8, DiskPerHour: 0.011111111111111112, DiskPerGBMonth: 0.2,
		MinBid: 0.42, UploadPerGB: 0.0065104166666666, DownloadPerGB: 0.0052083333333333,
		StartDate: 1789992799.5, EndDate: 1792592000, Geolocation: "Sweden, SE", Verification: "verified",
		Reliability: 0.9961234,
	}, i)
	require.NotContains(t, fmt.Sprintf("%+v", i), "0000000000000001", "the Jupyter token is a secret")
}

func TestGetInstanceInOtherStates(t *testing.T) {
	c, _ := scripted(t, fixture(t, "instance_stopped"), fixture(t, "instance_fresh"))
	i, err := c.Instances.Get(t.Context(), 45001240)
	require.NoError(t, err)
	require.Equal(t, "exited", i.Status)
	require.Nil(t, i.Ports)
	require.Empty(t, i.Label)

	i, err = c.Instances.Get(t.Context(), 45001251)
	require.NoError(t, err)
	require.Empty(t, i.Status)
	require.Equal(t, "203.0.113.27", i.PublicIP)
	for _, p := range []*float64{i.GPUUtil, i.GPUTemp, i.CPUUtil, i.MemLimitGB, i.MemUsedGB, i.DiskUsedGB} {
		require.Nil(t, p)
	}
	require.Nil(t, i.Env)
}

func TestGetInstanceReadsLooseAnswers(t *testing.T) {
	tests := map[string]struct {
		body string
		code vast.Code
	}{
		"null":          {read(t, "instance_missing"), vast.NotFound},
		"empty list":    {`{"instances":[]}`, vast.NotFound},
		"list of one":   {`{"instances":[{"id":7}]}`, ""},
		"id as text":    {`{"instances":{"id":"7","ports":{},"extra_env":{}}}`, ""},
		"odd ports":     {`{"instances":{"id":7.0,"ports":[22],"extra_env":"X=1"}}`, ""},
		"no key":        {`{"success":true}`, vast.Garbled},
		"another id":    {`{"instances":{"id":8}}`, vast.Garbled},
		"no id":         {`{"instances":{}}`, vast.Garbled},
		"a word":        {`{"instances":"none"}`, vast.Garbled},
		"not an object": {`[]`, vast.Garbled},
		"not a success": {`{"success":false,"instances":null}`, vast.Refused},
	}
	for name, tt := range tests {
		c, _ := scripted(t, ok(tt.body))
		_, err := c.Instances.Get(t.Context(), 7)
		if tt.code == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, tt.code, name)
	}
}

func TestEnvAndPortsInAllTheirForms(t *testing.T) {
	tests := []struct {
		body  string
		env   [][2]string
		ports map[string][]vast.PortBinding
	}{
		{`"extra_env":{"B":"2","A":1}`, [][2]string{{"A", "1"}, {"B", "2"}}, nil},
		{`"extra_env":[["A","1"],["short"],["B",2]]`, [][2]string{{"A", "1"}, {"B", "2"}}, nil},
		{`"extra_env":null,"ports":null`, nil, nil},
		{`"ports":{"22/tcp":{"HostIp":"::","HostPort":41022}}`, nil, map[string][]vast.PortBinding{"22/tcp": {{HostIP: "::", HostPort: "41022"}}}},
		{`"ports":{"22/tcp":[41022]}`, nil, nil},
	}
	for _, tt := range tests {
		c, _ := scripted(t, ok(`{"instances":{"id":7,`+tt.body+`}}`))
		i, err := c.Instances.Get(t.Context(), 7)
		require.NoError(t, err)
		require.Equal(t, tt.env, i.Env, tt.body)
		require.Equal(t, tt.ports, i.Ports, tt.body)
	}
}

func TestSSH(t *testing.T) {
	direct := map[string][]vast.PortBinding{"22/tcp": {{HostPort: "41022"}}}
	tests := map[string]struct {
		in   vast.Instance
		host string
		port int
	}{
		"direct":             {vast.Instance{PublicIP: "203.0.113.27", Ports: direct, SSHHost: "ssh4", SSHPort: 9}, "203.0.113.27", 41022},
		"proxy":              {vast.Instance{PublicIP: "203.0.113.27", SSHHost: "ssh4", SSHPort: 9, LaunchMode: "ssh"}, "ssh4", 9},
		"proxy with jupyter": {vast.Instance{SSHHost: "ssh4", SSHPort: 9, LaunchMode: "jupyter_proxy ssh_proxy"}, "ssh4", 10},
		"odd port":           {vast.Instance{PublicIP: "x", Ports: map[string][]vast.PortBinding{"22/tcp": {{HostPort: "?"}}}, SSHHost: "ssh4", SSHPort: 9}, "ssh4", 9},
		"no address yet":     {vast.Instance{Ports: direct}, "", 0},
		"nothing":            {vast.Instance{}, "", 0},
	}
	for name, tt := range tests {
		host, port := tt.in.SSH()
		require.Equal(t, tt.host, host, name)
		require.Equal(t, tt.port, port, name)
	}
}

func TestListInstances(t *testing.T) {
	c, network := scripted(t, fixture(t, "instances_page"), fixture(t, "instances_last_page"))
	var ids []vast.InstanceID
	o := vast.InstanceListOptions{Filter: vast.Filter{}.With("label", "eq", "train-a"), Columns: []string{"label"}}
	for i, err := range c.Instances.List(t.Context(), o) {
		require.NoError(t, err)
		ids = append(ids, i.ID)
	}
	require.Equal(t, []vast.InstanceID{45001234, 45001240, 45001251}, ids)
	require.Equal(t, "/api/v1/instances/", network.sent[0].path)
	first, err := url.ParseQuery(network.sent[0].query)
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"limit":          {"25"},
		"order_by":       {`[{"col":"id","dir":"asc"}]`},
		"select_filters": {`{"label":{"eq":"train-a"}}`},
		"select_cols":    {`["id","label"]`},
	}, first)
	second, err := url.ParseQuery(network.sent[1].query)
	require.NoError(t, err)
	require.Equal(t, "eyJ2YWx1ZXMiOiB7ImlkIjogNDUwMDEyNDB9fQ==", second.Get("after_token"))
}

func TestListStopsAndFails(t *testing.T) {
	c, network := scripted(t, fixture(t, "instances_page"))
	for range c.Instances.List(t.Context(), vast.InstanceListOptions{}) {
		break
	}
	require.Len(t, network.sent, 1)

	bad := vast.InstanceListOptions{Filter: vast.Filter{"label": {"is": "x"}}}
	for _, err := range c.Instances.List(t.Context(), bad) {
		require.ErrorIs(t, err, vast.Invalid)
	}
	bad.Filter = vast.Filter{}.With("label", "eq", func() {})
	for _, err := range c.Instances.List(t.Context(), bad) {
		require.ErrorIs(t, err, vast.Invalid)
	}
	require.Len(t, network.sent, 1)
}

func TestAllInstancesIsProven(t *testing.T) {
	page := func(total string, next string, ids ...int) reply {
		var rows []string
		for _, id := range ids {
			rows = append(rows, fmt.Sprintf(`{"id":%d}`, id))
		}
		return ok(fmt.Sprintf(`{"success":true,"total_instances":%s,"next_token":%s,"instances":[%s]}`, total, next, strings.Join(rows, ",")))
	}
	tests := map[string]struct {
		replies []reply
		want    []vast.InstanceID
		code    vast.Code
		sent    int
	}{
		"none":             {[]reply{fixture(t, "instances_empty")}, []vast.InstanceID{}, "", 1},
		"two pages":        {[]reply{fixture(t, "instances_page"), fixture(t, "instances_last_page")}, []vast.InstanceID{45001234, 45001240, 45001251}, "", 2},
		"out of order":     {[]reply{page("2", "null", 9, 3)}, []vast.InstanceID{3, 9}, "", 1},
		"grew meanwhile":   {[]reply{page("1", `"a"`, 1), page("2", "null", 2)}, []vast.InstanceID{1, 2}, "", 2},
		"short, then well": {[]reply{page("2", "null", 1), page("2", "null", 1, 2)}, []vast.InstanceID{1, 2}, "", 2},
		"short":            {[]reply{page("2", "null", 1)}, nil, vast.Incomplete, 2},
		"no total":         {[]reply{page("null", "null", 1)}, nil, vast.Incomplete, 2},
		"twice":            {[]reply{page("2", "null", 1, 1)}, nil, vast.Incomplete, 2},
		"one token":        {[]reply{page("2", `"a"`, 1)}, nil, vast.Incomplete, 4},
		"empty object":     {[]reply{ok(`{}`)}, nil, vast.Garbled, 1},
		"null":             {[]reply{ok(`{"success":true,"instances":null,"total_instances":0}`)}, nil, vast.Garbled, 1},
		"no success":       {[]reply{ok(`{"success":false,"instances":[],"total_instances":0}`)}, nil, vast.Refused, 1},
		"row without id":   {[]reply{ok(`{"instances":[{}],"total_instances":1}`)}, nil, vast.Garbled, 1},
		"retired":          {[]reply{status(410, read(t, "instances_deprecated"))}, nil, vast.Deprecated, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, network := scripted(t, tt.replies...)
			all, err := c.Instances.All(t.Context())
			require.Len(t, network.sent, tt.sent)
			if tt.code != "" {
				require.ErrorIs(t, err, tt.code)
				return
			}
			require.NoError(t, err)
			ids := []vast.InstanceID{}
			for _, i := range all {
				ids = append(ids, i.ID)
			}
			require.Equal(t, tt.want, ids)
		})
	}
}

// The iterator must give what the slice holds, however it was cut into pages.
func TestListEqualsSlice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.Int64Range(1, 1<<50), 0, 60, rapid.ID[int64]).Draw(r, "ids")
		slices.Sort(ids)
		size := rapid.IntRange(1, 25).Draw(r, "page size")
		c, _ := scripted(t, keyset(t, "instances", ids, size, func(id int64) any { return map[string]any{"id": id} })...)

		var got []int64
		for i, err := range c.Instances.List(t.Context(), vast.InstanceListOptions{}) {
			require.NoError(r, err)
			got = append(got, int64(i.ID))
		}
		require.ElementsMatch(r, ids, got)
		require.True(r, slices.IsSorted(got))
	})
}

// keyset cuts rows into pages of an answer.
func keyset(tb testing.TB, key string, ids []int64, size int, row func(int64) any) []reply {
	tb.Helper()
	var replies []reply
	for page := range slices.Chunk(ids, size) {
		rows := []any{}
		for _, id := range page {
			rows = append(rows, row(id))
		}
		replies = append(replies, keysetPage(tb, key, rows, fmt.Sprint("after ", page[len(page)-1])))
	}
	if len(replies) == 0 {
		return []reply{keysetPage(tb, key, []any{}, nil)}
	}
	return append(replies, keysetPage(tb, key, []any{}, nil))
}

func keysetPage(tb testing.TB, key string, rows []any, next any) reply {
	tb.Helper()
	data, err := json.Marshal(map[string]any{"success": true, key: rows, "next_token": next})
	require.NoError(tb, err)
	return ok(string(data))
}
