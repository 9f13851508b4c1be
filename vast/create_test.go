package vast_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

func TestCreate(t *testing.T) {
	c, network := scripted(t, fixture(t, "create_ok"))
	id, err := c.Instances.Create(t.Context(), 41234567, vast.CreateInstance{
		Image: "vastai/pytorch:2.7.1", TemplateHash: "0123", Label: "train-a", OnStart: "a && b", RunType: "ssh_direc ssh_proxy",
		ImageLogin: "-u me -p pass docker.io", User: "root", DiskGB: 40, Env: map[string]string{"-p 8000:8000": "1"},
		Args: []string{"serve"}, BidPerHour: 0.17, JupyterLab: true, JupyterDir: "/w",
	})
	require.NoError(t, err)
	require.Equal(t, vast.InstanceID(45001234), id)
	require.Equal(t, "PUT", network.sent[0].method)
	require.Equal(t, "/api/v0/asks/41234567/", network.sent[0].path)
	require.Equal(t, map[string]any{
		"client_id": "me", "image": "vastai/pytorch:2.7.1", "template_hash_id": "0123", "label": "train-a", "onstart": "a && b",
		"runtype": "ssh_direc ssh_proxy", "image_login": "-u me -p pass docker.io", "user": "root", "disk": 40.,
		"env": map[string]any{"-p 8000:8000": "1"}, "args": []any{"serve"}, "price": 0.17,
		"use_jupyter_lab": true, "jupyter_dir": "/w", "cancel_unavail": true,
	}, network.sent[0].decoded(t))
}

func TestCreateSendsNoMoreThanIsAsked(t *testing.T) {
	c, network := scripted(t, fixture(t, "create_ok"))
	_, err := c.Instances.Create(t.Context(), 7, vast.CreateInstance{TemplateHash: "0123"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"client_id": "me", "template_hash_id": "0123", "cancel_unavail": true}, network.sent[0].decoded(t))
}

func TestCreateRefusesWhatWouldRentSomethingElse(t *testing.T) {
	c, network := scripted(t, fixture(t, "create_ok"))
	tests := map[string]vast.CreateInstance{
		"nothing to run": {},
		"bid NaN":        {Image: "i", BidPerHour: math.NaN()},
		"bid below 0":    {Image: "i", BidPerHour: -1},
		"bid infinite":   {Image: "i", BidPerHour: math.Inf(1)},
		"disk NaN":       {Image: "i", DiskGB: math.NaN()},
		"disk below 0":   {Image: "i", DiskGB: -1},
	}
	for name, in := range tests {
		_, err := c.Instances.Create(t.Context(), 7, in)
		require.ErrorIs(t, err, vast.Invalid, name)
		require.True(t, asError(t, err).NotSent)
	}
	_, err := c.Instances.Create(t.Context(), 0, anImage)
	require.ErrorIs(t, err, vast.Invalid)
	require.Empty(t, network.sent)
}

func TestCreateOutcomes(t *testing.T) {
	tests := map[string]struct {
		reply     reply
		code      vast.Code
		uncertain bool
		left      vast.InstanceID
	}{
		"gone":                    {status(410, read(t, "create_gone_410")), vast.Taken, false, 0},
		"throttled":               {status(429, read(t, "throttled")), vast.Throttled, false, 0},
		"moved":                   {status(308, "<html>"), vast.Refused, false, 0},
		"bid too low":             {status(400, `{"success":false,"error":"invalid_price","new_contract":45009}`), vast.Invalid, true, 45009},
		"denied, with a contract": {status(403, `{"error":"invalid_args","new_contract":"45009"}`), vast.Denied, true, 45009},
		"no success":              {ok(`{"success":false,"error":"no_such_ask"}`), vast.Taken, true, 0},
		"no success, a contract":  {ok(`{"success":false,"new_contract":45009}`), vast.Refused, true, 45009},
		"error beside a contract": {ok(`{"error":"x","new_contract":45009}`), vast.Refused, true, 45009},
		"cut short":               {status(400, `{"success":false,"new_contract":45`), vast.Invalid, true, 0},
		"endless":                 {status(400, strings.Repeat(" ", 70<<10)), vast.Invalid, true, 0},
		"server error":            {status(500, `{"error":"server_error","msg":"no such tag"}`), vast.Unavailable, true, 0},
		"web page":                {status(502, "<html>"), vast.Unavailable, true, 0},
		"garbled":                 {ok("<html>"), vast.Garbled, true, 0},
		"no id":                   {ok(`{"success":true,"new_contract":null}`), vast.Garbled, true, 0},
		"id below 0":              {ok(`{"success":true,"new_contract":-4}`), vast.Garbled, true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, network := scripted(t, tt.reply)
			id, err := c.Instances.Create(t.Context(), 7, anImage)
			require.Zero(t, id)
			require.ErrorIs(t, err, tt.code)
			e := asError(t, err)
			require.Equal(t, tt.uncertain, e.Uncertain)
			require.Equal(t, tt.left, e.NewContract)
			require.False(t, e.NotSent)
			require.Len(t, network.sent, 1)
		})
	}
}

func TestCreateReadsLooseIDs(t *testing.T) {
	for _, body := range []string{`{"new_contract":7.0}`, `{"success":1,"new_contract":"7"}`, `{"success":true,"new_contract":7,"novel":[]}`} {
		c, _ := scripted(t, ok(body))
		id, err := c.Instances.Create(t.Context(), 7, anImage)
		require.NoError(t, err)
		require.Equal(t, vast.InstanceID(7), id)
	}
}
