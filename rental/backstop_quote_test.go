package rental_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// mark is in every onstart that carries the backstop.
const mark = "vast-mcp-backstop"

// template makes a template and returns its hash.
func (b *bench) template(row map[string]any) string {
	b.t.Helper()
	row["name"] = "ours"
	b.Do(http.MethodPost, "/api/v0/template/", row)
	found, err := b.Client.Templates.Search(b.t.Context(), vast.Filter{}.With("name", "eq", "ours"))
	require.NoError(b.t, err)
	require.Len(b.t, found, 1)
	return found[0].Hash
}

// TestAQuoteSaysWhetherTheInstanceEndsItsLease, and the order is as it said.
func TestAQuoteSaysWhetherTheInstanceEndsItsLease(t *testing.T) {
	long := strings.Repeat("#", 16384)
	for name, c := range map[string]struct {
		args     string
		template map[string]any
		why      string // there is none
		starts   string // how the onstart begins, without the backstop
		ends     string // and ends
	}{
		"plain":                   {args: `"image":"a/b"`},
		"a script":                {args: `"image":"a/b","onstart":"echo hi"`, ends: "\necho hi"},
		"a script of a shell":     {args: `"image":"a/b","onstart":"#!/bin/bash -e\necho hi"`, starts: "#!/bin/bash -e\n(", ends: "\necho hi"},
		"a script of env":         {args: `"image":"a/b","onstart":"#! /usr/bin/env -S dash\necho hi"`, starts: "#! /usr/bin/env -S dash\n(", ends: "\necho hi"},
		"a line of a shell":       {args: `"image":"a/b","onstart":"#!/bin/sh"`, starts: "#!/bin/sh\n("},
		"a script of Python":      {args: `"image":"a/b","onstart":"#!/usr/bin/env python3\nprint(1)"`, why: "onstart is not a shell script", starts: "#!/usr/bin/env python3", ends: "print(1)"},
		"no interpreter":          {args: `"image":"a/b","onstart":"#!\necho hi"`, why: "onstart is not a shell script", starts: "#!", ends: "hi"},
		"a script of full size":   {args: `"image":"a/b","onstart":"` + long + `"`, why: "it and onstart are ", starts: long, ends: long},
		"args":                    {args: `"image":"a/b","run_type":"args"`, why: "run type args never runs it"},
		"a virtual machine":       {args: `"image":"docker.io/vastai/kvm:ubuntu"`, why: "a virtual machine has no onstart"},
		"a template":              {template: map[string]any{"image": "a/b", "runtype": "ssh", "onstart": "entrypoint.sh"}, ends: "\nentrypoint.sh"},
		"a script over it":        {args: `"onstart":"echo hi"`, template: map[string]any{"image": "a/b", "runtype": "ssh", "onstart": "entrypoint.sh"}, ends: "\necho hi"},
		"a template of args":      {template: map[string]any{"image": "a/b", "runtype": "args", "onstart": "x.sh"}, why: "run type args never runs it", starts: "x.sh", ends: "x.sh"},
		"one for VMs":             {template: map[string]any{"image": "vastai/kvm", "runtype": "ssh"}, why: "a virtual machine has no onstart"},
		"a template under ssh":    {args: `"run_type":"ssh"`, template: map[string]any{"image": "a/b", "runtype": "args", "onstart": "x.sh"}, ends: "\nx.sh"},
		"its image, not a VM's":   {args: `"image":"a/b"`, template: map[string]any{"image": "vastai/kvm", "runtype": "ssh"}},
		"a template of full size": {template: map[string]any{"image": "a/b", "runtype": "ssh", "onstart": long}, why: "it and onstart are ", starts: long},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, rig.Options{}, func(t *testing.T, b *bench) {
				t.Helper()
				args := c.args
				if c.template != nil {
					args = strings.Trim(fmt.Sprintf(`%s,"template_hash":%q`, args, b.template(c.template)), ",")
				}
				args = fmt.Sprintf(`{"offer_id":%d,%s}`, b.Offer("RTX 4090"), args)
				asked := b.answer(b.Call("create_instance", args))
				require.Equal(t, tool.ApprovalNeeded, asked.Status)
				said := strings.Join(asked.Quote.Warnings, "\n")
				if c.why != "" {
					require.Contains(t, said, "no backstop inside the instance: "+c.why)
					require.Empty(t, asked.Quote.EnforcedBy)
				} else {
					require.NotContains(t, said, "backstop")
					require.Equal(t, []string{"backstop"}, asked.Quote.EnforcedBy)
				}
				b.Approve()
				got := b.answer(b.Call("create_instance", args))
				require.Equal(t, tool.Done, got.Status)
				script := b.row(got.InstanceID).OnStart
				require.Equal(t, c.why == "", strings.Contains(script, mark))
				require.LessOrEqual(t, len(script), 16384)
				require.True(t, strings.HasPrefix(script, c.starts), script)
				require.True(t, strings.HasSuffix(script, c.ends), script)
			})
		})
	}
}

// TestAStartSaysWhetherTheInstanceEndsItsLease by what it was rented with.
func TestAStartSaysWhetherTheInstanceEndsItsLease(t *testing.T) {
	for runType, want := range map[string][]string{"ssh": {"backstop"}, "args": {}} {
		on(t, rig.Options{}, func(t *testing.T, b *bench) {
			t.Helper()
			id := b.answer(b.Approved("create_instance", rent(b.Offer("RTX 4090"), `,"run_type":"`+runType+`"`))).InstanceID
			b.until(id, func(in vast.Instance) bool { return in.Status == "running" })
			b.answer(b.Call("stop_instance", one(id)))
			b.until(id, rental.Stopped)
			asked := b.answer(b.Call("start_instance", one(id)))
			require.Equal(t, want, asked.Quote.EnforcedBy)
			require.Len(t, asked.Quote.Warnings, 1-len(want), "what cannot end itself is ended by nobody here")
			asked = b.answer(b.Call("start_instance", fmt.Sprintf(`{"instance_id":%d,"on_expiry":"destroy"}`, id)))
			require.Len(t, asked.Quote.Warnings, 1, "the instance only stops itself then")
		})
	}
}

// TestATemplateThatCannotBeReadIsNotOrdered: the backstop that was promised would
// take the place of its script.
func TestATemplateThatCannotBeReadIsNotOrdered(t *testing.T) {
	reads := 0
	lost := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/template/") {
				if reads++; reads > 3 && reads < 8 { // made, quoted, planned; then all four tries of the order
					return nil, errors.New("connection reset")
				}
			}
			return next.RoundTrip(req)
		})
	}
	on(t, rig.Options{Transport: lost}, func(t *testing.T, b *bench) {
		t.Helper()
		args := fmt.Sprintf(`{"offer_id":%d,"template_hash":%q}`, b.Offer("RTX 4090"), b.template(map[string]any{"image": "a/b", "runtype": "ssh", "onstart": "entrypoint.sh"}))
		b.ask("create_instance", args)
		b.Fails(tool.Unavailable, "create_instance", args)
		require.Zero(t, b.Requests(http.MethodPut, "/asks/"))
		require.Equal(t, tool.Done, b.answer(b.Call("create_instance", args)).Status, "the yes still stands")
	})
}

// TestBackstopIsPlainShell in all shells that an image may have.
func TestBackstopIsPlainShell(t *testing.T) {
	script, err := os.ReadFile("backstop.sh")
	require.NoError(t, err)
	require.NotContains(t, string(script), "\r")
	for _, shell := range shells() {
		args := []string{"-n", "backstop.sh"}
		if shell == "busybox" {
			args = append([]string{"sh"}, args...)
		}
		out, err := exec.CommandContext(t.Context(), program(t, shell), args...).CombinedOutput()
		require.NoError(t, err, "%s: %s", shell, out)
	}
}
