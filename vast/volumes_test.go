package vast_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

func TestListVolumes(t *testing.T) {
	c, network := scripted(t, fixture(t, "volumes"), ok(`{"volumes":[]}`), ok(`{"success":true}`))
	all, err := c.Volumes.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []vast.Volume{{
		ID: 20118481, MachineID: 30567, Name: "my_data", Status: "available", DiskGB: 200, DiskPerGBMonth: 0.2,
		StartDate: 1789000000.5, Geolocation: "Sweden, SE",
	}}, all)
	require.InDelta(t, 200*0.2/720, all[0].PerHour(), 1e-9)
	require.Equal(t, "/api/v0/volumes/", network.sent[0].path)
	query, err := url.ParseQuery(network.sent[0].query)
	require.NoError(t, err)
	require.Equal(t, url.Values{"owner": {"me"}, "type": {"all_volume"}}, query)

	all, err = c.Volumes.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
	_, err = c.Volumes.List(t.Context())
	require.ErrorIs(t, err, vast.Garbled, "a list without rows proves nothing")
}
