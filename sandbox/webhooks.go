package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Limits of webhooks.
const (
	maxWebhooks    = 4
	maxWebhookName = 120
	maxWebhookURL  = 2048
	firstWebhook   = 401
)

// alerts is who is told of what.
type alerts struct {
	Webhooks    []webhook                                    `json:"webhooks,omitempty"`
	Preferences map[string]map[string]notificationPreference `json:"preferences,omitempty"` // by context and slug; nil: the defaults
	Made        int64                                        `json:"made,omitempty"`        // webhooks made so far
}

// webhook is a URL to be told. Nobody is: the market sends nothing.
type webhook struct {
	ID      int64     `json:"id"`
	Name    *string   `json:"name"`
	URL     string    `json:"url"`
	Events  []string  `json:"events"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Turns   int64     `json:"turns,omitempty"` // of its secret
}

func (a *alerts) sound() bool {
	return a.Made >= 0 && !slices.ContainsFunc(a.Webhooks, func(w webhook) bool { return !sane(w.Created) || !sane(w.Updated) })
}

// webhookRow is a webhook as the API serves it. Its secret is told once.
type webhookRow struct {
	ID        int64    `json:"id"`
	UserID    int64    `json:"user_id"`
	Name      *string  `json:"name"`
	URL       string   `json:"webhook_url"`
	Events    []string `json:"event_types"`
	CreatedAt float64  `json:"created_at"`
	UpdatedAt float64  `json:"updated_at"`
	Secret    string   `json:"webhook_secret,omitempty"`
}

func (w webhook) row() webhookRow {
	return webhookRow{ID: w.ID, UserID: userID, Name: w.Name, URL: w.URL, Events: w.Events, CreatedAt: unix(w.Created), UpdatedAt: unix(w.Updated)}
}

func (w webhook) rowWithSecret(seed uint64) webhookRow {
	row := w.row()
	row.Secret = secret(seed, "webhook", w.ID*1000+w.Turns)
	return row
}

func webhookRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/webhooks/", op: "webhooks", access: inUserRead, handle: (*tx).listWebhooks},
		{method: http.MethodPost, path: "/api/v0/webhooks/", op: "webhook_create", access: inUserWrite, writes: true, handle: (*tx).createWebhook},
		{method: http.MethodPut, path: "/api/v0/webhooks/{id}/", op: "webhook_update", access: inUserWrite, writes: true, handle: (*tx).updateWebhook},
		{method: http.MethodDelete, path: "/api/v0/webhooks/{id}/", op: "webhook_delete", access: inUserWrite, writes: true, handle: (*tx).deleteWebhook},
		{method: http.MethodPost, path: "/api/v0/webhooks/{id}/rotate-secret/", op: "webhook_rotate", access: inUserWrite, writes: true, handle: (*tx).rotateWebhook},
		{method: http.MethodPost, path: "/api/v0/webhooks/{id}/test/", op: "webhook_test", access: inUserWrite, handle: (*tx).testWebhook},
	}
}

// listWebhooks answers GET /webhooks/.
func (t *tx) listWebhooks() answer {
	rows := []webhookRow{}
	for _, w := range t.st.Alerts.Webhooks {
		rows = append(rows, w.row())
	}
	return reply(map[string]any{"success": true, "webhooks": rows})
}

// webhookRequest is the body of POST and PUT; PUT leaves out what stays.
type webhookRequest struct {
	Name   *string  `json:"name"`
	URL    *string  `json:"webhook_url"`
	Events []string `json:"event_types"`
}

// onto is w as the request wants it, or what is wrong with that.
func (in webhookRequest) onto(w webhook) (webhook, string) {
	if in.Name != nil {
		w.Name = in.Name
	}
	if in.URL != nil {
		w.URL = *in.URL
	}
	if in.Events != nil {
		w.Events = in.Events
	}
	u, err := url.Parse(w.URL)
	switch {
	case w.Name != nil && len(*w.Name) > maxWebhookName:
		return w, "name must be at most 120 characters"
	case err != nil || u.Scheme != "https" || u.Host == "" || len(w.URL) > maxWebhookURL:
		return w, "webhook_url must be an https URL of at most 2048 characters"
	case len(w.Events) == 0:
		return w, "event_types must name at least one notification type"
	}
	for _, key := range w.Events {
		if _, known := notificationType(key); !known {
			return w, "unknown notification type " + key
		}
	}
	return w, ""
}

// createWebhook answers POST /webhooks/.
func (t *tx) createWebhook() answer {
	var in webhookRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if len(t.st.Alerts.Webhooks) >= maxWebhooks {
		return invalidArgs("an account has at most %d webhooks", maxWebhooks)
	}
	w, wrong := in.onto(webhook{Created: t.now, Updated: t.now})
	if wrong != "" {
		return invalidArgs("%s", wrong)
	}
	w.ID = firstWebhook + t.st.Alerts.Made
	t.st.Alerts.Made++
	t.st.Alerts.Webhooks = append(t.st.Alerts.Webhooks, w)
	return reply(map[string]any{"success": true, "webhook": w.rowWithSecret(t.st.Seed), "enabled_notification_preferences": t.enable(w.Events)})
}

// webhook finds the webhook of the path, or says that there is none.
func (t *tx) webhook() (*webhook, answer, bool) {
	id, _ := t.id()
	i := slices.IndexFunc(t.st.Alerts.Webhooks, func(w webhook) bool { return w.ID == id })
	if i < 0 {
		return nil, refuse(http.StatusNotFound, "not_found", "Webhook not found"), false
	}
	return &t.st.Alerts.Webhooks[i], answer{}, true
}

// updateWebhook answers PUT /webhooks/{id}/.
func (t *tx) updateWebhook() answer {
	w, refusal, ok := t.webhook()
	if !ok {
		return refusal
	}
	var in webhookRequest
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	next, wrong := in.onto(*w)
	if wrong != "" {
		return invalidArgs("%s", wrong)
	}
	*w = next
	w.Updated = t.now
	return reply(map[string]any{"success": true, "webhook": w.row(), "enabled_notification_preferences": t.enable(w.Events)})
}

// deleteWebhook answers DELETE /webhooks/{id}/.
func (t *tx) deleteWebhook() answer {
	w, refusal, ok := t.webhook()
	if !ok {
		return refusal
	}
	id := w.ID
	t.st.Alerts.Webhooks = slices.DeleteFunc(t.st.Alerts.Webhooks, func(w webhook) bool { return w.ID == id })
	return success()
}

// rotateWebhook answers POST /webhooks/{id}/rotate-secret/.
func (t *tx) rotateWebhook() answer {
	w, refusal, ok := t.webhook()
	if !ok {
		return refusal
	}
	w.Turns++
	w.Updated = t.now
	return reply(map[string]any{"success": true, "webhook": w.rowWithSecret(t.st.Seed)})
}

// testWebhook answers POST /webhooks/{id}/test/.
func (t *tx) testWebhook() answer {
	if _, refusal, ok := t.webhook(); !ok {
		return refusal
	}
	return reply(outcome{Success: true, Msg: "The sandbox accepted the test and sends nothing."})
}
