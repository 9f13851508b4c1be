package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const webhooks = "/api/v0/webhooks/"

func TestWebhooks(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Equal(t, obj{"success": true, "webhooks": []any{}}, r.do(200, "GET", webhooks, nil))
	out := r.do(200, "POST", webhooks, obj{"name": "ops", "webhook_url": "https://example.com/hook", "event_types": []string{"client:outbid"}})
	hook := out["webhook"].(obj)
	require.Regexp(t, "^[0-9a-f]{64}$", hook["webhook_secret"])
	require.Equal(t, []any{"client:outbid"}, out["enabled_notification_preferences"])
	want := obj{
		"id": hook["id"], "user_id": 777001.0, "name": "ops", "webhook_url": "https://example.com/hook", "event_types": []any{"client:outbid"},
		"created_at": float64(epoch.Unix()), "updated_at": float64(epoch.Unix()),
	}
	require.Equal(t, []obj{want}, objects(r.do(200, "GET", webhooks, nil)["webhooks"]), "the secret is told once")

	r.pass(time.Minute)
	out = r.do(200, "PUT", at(webhooks, hook["id"]), obj{"event_types": []string{"client:outbid", "client:low_credit"}})
	require.Equal(t, []any{"client:low_credit"}, out["enabled_notification_preferences"])
	require.Equal(t, float64(epoch.Add(time.Minute).Unix()), out["webhook"].(obj)["updated_at"])
	require.Equal(t, "ops", out["webhook"].(obj)["name"])
	turned := r.do(200, "POST", at(webhooks, hook["id"])+"rotate-secret/", obj{})["webhook"].(obj)
	require.NotEqual(t, hook["webhook_secret"], turned["webhook_secret"])
	require.Equal(t, true, r.do(200, "POST", at(webhooks, hook["id"])+"test/", obj{})["success"])
	require.Equal(t, obj{"success": true}, r.do(200, "DELETE", at(webhooks, hook["id"]), obj{}))
	require.Empty(t, r.do(200, "GET", webhooks, nil)["webhooks"])
	for _, call := range []string{"PUT ", "DELETE ", "POST rotate-secret/", "POST test/"} {
		method, verb, _ := strings.Cut(call, " ")
		require.Equal(t, "Webhook not found", r.do(404, method, at(webhooks, hook["id"])+verb, obj{})["msg"])
	}
}

func TestWebhookLimits(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	body := func(name, url string, events ...string) obj {
		return obj{"name": name, "webhook_url": url, "event_types": append([]string{}, events...)}
	}
	for i := range 4 {
		out := r.do(200, "POST", webhooks, body(fmt.Sprint(i), "https://example.com", "client:outbid"))
		require.Equal(t, i == 0, len(out["enabled_notification_preferences"].([]any)) == 1)
	}
	require.Contains(t, r.do(400, "POST", webhooks, body("5", "https://example.com", "client:outbid"))["msg"], "at most 4")
	hooks := objects(r.do(200, "GET", webhooks, nil)["webhooks"])
	require.Len(t, hooks, 4)
	r.do(200, "DELETE", at(webhooks, hooks[0]["id"]), obj{})
	for says, bad := range map[string]any{
		"120":     body(strings.Repeat("x", 121), "https://example.com", "client:outbid"),
		"https":   body("a", "http://example.com", "client:outbid"),
		"2048":    body("a", "https://example.com/"+strings.Repeat("x", 2048), "client:outbid"),
		"least":   body("a", "https://example.com"),
		"unknown": body("a", "https://example.com", "client:birthday"),
	} {
		require.Contains(t, r.do(400, "POST", webhooks, bad)["msg"], says)
		require.Contains(t, r.do(400, "PUT", at(webhooks, hooks[1]["id"]), bad)["msg"], says)
	}
	r.do(400, "POST", webhooks, "{")
	r.do(400, "PUT", at(webhooks, hooks[1]["id"]), "{")
}

func TestNotifications(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	types := objects(r.do(200, "GET", "/api/v0/notification-types/", nil)["notification_types"])
	require.Len(t, types, 5)
	for _, n := range types {
		require.Equal(t, n["key"], fmt.Sprintf("%s:%s", n["context"], n["slug"]))
		require.Len(t, n, 8)
		require.Equal(t, obj{"email": true, "webhooks": false}, n["default_preferences"])
	}
	prefs := "/api/v0/users/777001/notification-prefs/"
	defaults := r.do(200, "GET", prefs, nil)["notification_preferences"].(obj)
	require.Equal(t, obj{"email": true, "webhooks": false}, defaults["client"].(obj)["outbid"])
	set := obj{"client": obj{"low_credit": obj{"email": false, "webhooks": true}}}
	require.Equal(t, set, r.do(200, "PUT", prefs, obj{"notification_preferences": set})["notification_preferences"])
	require.Equal(t, set, r.do(200, "GET", prefs, nil)["notification_preferences"], "all of them are replaced")

	require.Contains(t, r.do(400, "PUT", prefs, obj{"notification_preferences": obj{"client": obj{"birthday": obj{}}}})["msg"], "client:birthday")
	r.do(400, "PUT", prefs, obj{})
	for _, method := range []string{"GET", "PUT"} {
		require.Equal(t, "not_authorized", r.do(403, method, "/api/v0/users/5/notification-prefs/", obj{"notification_preferences": set})["error"])
	}
	r.do(200, "POST", webhooks, obj{"webhook_url": "https://example.com", "event_types": []string{"host:machine_error"}})
	require.Equal(t, obj{"email": false, "webhooks": true}, r.do(200, "GET", prefs, nil)["notification_preferences"].(obj)["host"].(obj)["machine_error"])
}

func TestClusters(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Equal(t, obj{"clusters": obj{}}, r.do(200, "GET", "/api/v0/clusters/", nil))
	require.Empty(t, r.list("GET", "/api/v0/overlay/", nil))
}
