package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// notificationPreference is by which ways one is told.
type notificationPreference struct {
	Email    bool `json:"email"`
	Webhooks bool `json:"webhooks"`
}

// notificationTypeRow is something to be told of.
type notificationTypeRow struct {
	Key         string                 `json:"key"`
	Slug        string                 `json:"slug"`
	Context     string                 `json:"context"`
	Topic       string                 `json:"topic"`
	Category    string                 `json:"category"`
	DisplayName string                 `json:"display_name"`
	Defaults    notificationPreference `json:"default_preferences"`
	Mandatory   bool                   `json:"mandatory_email"`
}

// notificationTypes are those whose keys are known.
func notificationTypes() []notificationTypeRow {
	told := notificationPreference{Email: true}
	rows := []notificationTypeRow{
		{Key: "client:low_credit", Topic: "billing", Category: "Billing", DisplayName: "Low credit", Defaults: told},
		{Key: "client:outbid", Topic: "instances", Category: "Instances", DisplayName: "Outbid", Defaults: told},
		{Key: "host:machine_offline", Topic: "machines", Category: "Machines", DisplayName: "Machine offline", Defaults: told},
		{Key: "host:machine_error", Topic: "machines", Category: "Machines", DisplayName: "Machine error", Defaults: told},
		{Key: "host:maintenance_scheduled", Topic: "machines", Category: "Machines", DisplayName: "Maintenance scheduled", Defaults: told},
	}
	for i := range rows {
		rows[i].Context, rows[i].Slug, _ = strings.Cut(rows[i].Key, ":")
	}
	return rows
}

func notificationType(key string) (notificationTypeRow, bool) {
	types := notificationTypes()
	if i := slices.IndexFunc(types, func(n notificationTypeRow) bool { return n.Key == key }); i >= 0 {
		return types[i], true
	}
	return notificationTypeRow{}, false
}

func notificationRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/notification-types/", op: "notification_types", access: inUserRead, handle: (*tx).listNotificationTypes},
		{method: http.MethodGet, path: "/api/v0/users/{id}/notification-prefs/", op: "notification_prefs", access: inUserRead, handle: (*tx).getPreferences},
		{method: http.MethodPut, path: "/api/v0/users/{id}/notification-prefs/", op: "notification_prefs_set", access: inUserWrite, writes: true, handle: (*tx).setPreferences},
	}
}

// listNotificationTypes answers GET /notification-types/.
func (t *tx) listNotificationTypes() answer {
	return reply(map[string]any{"success": true, "notification_types": notificationTypes()})
}

// preferences are what was set, or the defaults.
func (t *tx) preferences() map[string]map[string]notificationPreference {
	if t.st.Alerts.Preferences != nil {
		return t.st.Alerts.Preferences
	}
	all := map[string]map[string]notificationPreference{}
	for _, n := range notificationTypes() {
		if all[n.Context] == nil {
			all[n.Context] = map[string]notificationPreference{}
		}
		all[n.Context][n.Slug] = n.Defaults
	}
	return all
}

func (t *tx) ownUser() (answer, bool) {
	id, ok := t.id()
	return refuse(http.StatusForbidden, "not_authorized", "These are another user's."), ok && id == userID
}

func preferencesAnswer(all map[string]map[string]notificationPreference) answer {
	return reply(map[string]any{"success": true, "notification_preferences": all})
}

// getPreferences answers GET /users/{id}/notification-prefs/.
func (t *tx) getPreferences() answer {
	if refusal, ok := t.ownUser(); !ok {
		return refusal
	}
	return preferencesAnswer(t.preferences())
}

// setPreferences answers PUT /users/{id}/notification-prefs/, which replaces
// all of them.
func (t *tx) setPreferences() answer {
	if refusal, ok := t.ownUser(); !ok {
		return refusal
	}
	var in struct {
		Preferences map[string]map[string]notificationPreference `json:"notification_preferences"`
	}
	if json.Unmarshal(t.body, &in) != nil || in.Preferences == nil {
		return badJSON()
	}
	for context, slugs := range in.Preferences {
		for slug := range slugs {
			if _, known := notificationType(context + ":" + slug); !known {
				return invalidArgs("unknown notification type %s:%s", context, slug)
			}
		}
	}
	t.st.Alerts.Preferences = in.Preferences
	return preferencesAnswer(in.Preferences)
}

// enable turns webhooks on for the types, and tells for which they were off.
func (t *tx) enable(keys []string) []string {
	all := t.preferences()
	turned := []string{}
	for _, key := range keys {
		n, _ := notificationType(key)
		p := all[n.Context][n.Slug]
		if p.Webhooks {
			continue
		}
		if all[n.Context] == nil {
			all[n.Context] = map[string]notificationPreference{}
		}
		p.Webhooks = true
		all[n.Context][n.Slug] = p
		turned = append(turned, key)
	}
	t.st.Alerts.Preferences = all
	return turned
}
