package sandbox

import (
	"slices"
	"strings"
)

// Indexed is one thing to ask of the API: what it is, and the routes that it has.
type Indexed struct {
	Number    int
	Operation string
	Served    []string // by the market, written as Operations does
	Missing   []string // not served
}

// Index lists what a renter can ask of the API, from finding offers to alerts.
func Index() []Indexed {
	rows := index()
	for i := range rows {
		rows[i].Served, rows[i].Missing = inFull(rows[i].Served), inFull(rows[i].Missing)
	}
	return rows
}

// inFull writes the routes of the index out: a path that begins with a slash is
// under /api/v0, and one of the runtime host at the root.
func inFull(short []string) []string {
	var routes []string
	for _, route := range short {
		method, path, _ := strings.Cut(route, " ")
		switch {
		case strings.HasPrefix(path, "host/"):
			path = strings.TrimPrefix(path, "host")
		case !strings.HasPrefix(path, "/api/"):
			path = "/api/v0" + path
		}
		routes = append(routes, method+" "+path)
	}
	return routes
}

func index() []Indexed {
	return slices.Concat(renting(), keeping(), paying(), serving())
}

// renting is finding, renting and using instances.
func renting() []Indexed {
	return []Indexed{
		{1, "search offers", []string{"POST /bundles/", "GET /bundles/"}, nil},
		{2, "search asks", []string{"PUT /search/asks/"}, nil},
		{3, "GPU names and types", []string{"GET /gpu_names/unique/", "GET /gpu_types/"}, nil},
		{4, "create instance", []string{"PUT /asks/{id}/"}, nil},
		{5, "bulk create", []string{"POST /asks/bulk/"}, nil},
		{6, "launch", []string{"PUT /launch_instance/"}, nil},
		{7, "list instances", []string{"GET /api/v1/instances/"}, nil},
		{8, "list instances, retired", []string{"GET /instances/"}, nil},
		{9, "instance filters and count", []string{"GET /instances/filters/", "GET /instances/count/"}, nil},
		{10, "get instance", []string{"GET /instances/{id}/"}, nil},
		{11, "start, stop, label", []string{"PUT /instances/{id}/"}, nil},
		{12, "bulk start and stop", []string{"PUT /instances/"}, nil},
		{13, "destroy", []string{"DELETE /instances/{id}/"}, nil},
		{14, "bulk destroy", []string{"DELETE /instances/"}, nil},
		{15, "reboot", []string{"PUT /instances/reboot/{id}/"}, nil},
		{16, "recycle", []string{"PUT /instances/recycle/{id}/"}, nil},
		{17, "update in place", []string{"PUT /instances/update_template/{id}/"}, nil},
		{18, "change bid", []string{"PUT /instances/bid_price/{id}/"}, nil},
		{19, "prepay", []string{"PUT /instances/prepay/{id}/"}, nil},
		{20, "deposit", []string{"GET /instances/balance/{id}/"}, nil},
		{21, "pending price increases", []string{"GET /instances/pending-price-increases/"}, nil},
		{22, "answer a price increase", []string{"PUT /instances/accept-price-increase/", "PUT /instances/reject-price-increase/"}, nil},
		{23, "logs", []string{"PUT /instances/request_logs/{id}/"}, nil},
		{24, "execute", []string{"PUT /instances/command/{id}/"}, nil},
		{25, "copy between instances", []string{"PUT /commands/copy_direct/"}, nil},
		{26, "copy from and to here", []string{"PUT /commands/rsync/"}, nil},
		{27, "cancel copy", []string{"DELETE /commands/copy_direct/", "DELETE /commands/rsync/"}, nil},
		{28, "cloud copy", []string{"POST /commands/rclone/"}, nil},
		{29, "cancel cloud copy", []string{"DELETE /commands/rclone/"}, nil},
		{30, "copy size", nil, []string{"POST /commands/get_copy_size/"}},
		{31, "snapshot", []string{"POST /instances/take_snapshot/{id}/"}, nil},
		{32, "scheduled jobs", crud("/commands/schedule_job/", "GET POST", "PUT DELETE"), nil},
		{33, "report machine", []string{"PUT /machines/{id}/report/"}, nil},
		{34, "maintenance windows", []string{"GET /machines/maintenances/"}, nil},
	}
}

// keeping is what an account keeps beside its instances.
func keeping() []Indexed {
	return []Indexed{
		{35, "ssh keys", crud("/ssh/", "GET POST", "PUT DELETE"), nil},
		{36, "ssh keys of an instance", []string{"GET /instances/{id}/ssh/", "POST /instances/{id}/ssh/", "DELETE /instances/{id}/ssh/{key_id}/"}, nil},
		{37, "templates", crud("/template/", "GET POST PUT DELETE", ""), nil},
		{38, "volume offers", []string{"POST /volumes/search/"}, nil},
		{39, "volumes", append(crud("/volumes/", "GET PUT DELETE", ""), "POST /volumes/copy/"), nil},
		{40, "secrets", crud("/secrets/", "GET POST PUT DELETE", ""), nil},
	}
}

// paying is the account, its money and its people.
func paying() []Indexed {
	return []Indexed{
		{41, "current user", []string{"GET /users/current/"}, nil},
		{42, "update user", []string{"PUT /users/"}, nil},
		{43, "subaccounts", []string{"POST /users/", "GET /subaccounts/"}, nil},
		{44, "transfer credit", []string{"PUT /commands/transfer_credit/"}, nil},
		{45, "API keys", crud("/auth/apikeys/", "GET POST", "GET DELETE"), nil},
		{46, "reset API key", []string{"PUT /commands/reset_apikey/"}, nil},
		{47, "invoices", []string{"GET /api/v1/invoices/"}, nil},
		{48, "invoices, old", []string{"GET /invoices/"}, nil},
		{49, "charges", []string{"GET /charges/"}, nil},
		{50, "addresses, audit log, connections", []string{"GET /users/me/ipaddrs/", "GET /audit_logs/", "GET /users/cloud_integrations/"}, nil},
		{
			51, "teams",
			slices.Concat(crud("/team/", "POST DELETE", ""), []string{"POST /team/invite/", "GET /team/members/", "DELETE /team/members/{id}/", "GET /team/roles-full/", "POST /team/roles/"}, crud("/team/roles/", "", "GET PUT DELETE")),
			append(crud("/team/members/{id}/roles/", "POST PUT DELETE", ""), "GET /team/apikeys/", "GET /team/balances/", "GET /team/sessions/"),
		},
	}
}

// serving is serverless, the market at large and what tells of it.
func serving() []Indexed {
	return []Indexed{
		{52, "endpoints", append(crud("/endptjobs/", "GET POST", "GET PUT DELETE"), "GET /serverless/endpoints/spend/"), nil},
		{
			53, "workergroups",
			slices.Concat(crud("/workergroups/", "GET POST", "PUT DELETE"), crud("/autojobs/", "GET POST", "PUT DELETE"), []string{"GET /serverless/workergroups/spend/"}), nil,
		},
		{54, "serverless runtime", []string{
			"POST host/route/", "POST host/get_endpoint_logs/", "POST host/get_workergroup_logs/", "POST host/get_autogroup_logs/",
			"POST host/get_endpoint_workers/", "POST host/get_workergroup_workers/", "POST host/get_autogroup_workers/", "POST host/update_workers/",
		}, nil},
		{55, "deployments", append(crud("/deployments/", "GET PUT DELETE", ""),
			"GET /deployment/{id}/", "DELETE /deployment/{id}/", "GET /deployment/{id}/versions/", "GET /deployment/{id}/download_url/",
			"POST /deployment/{id}/start/", "POST /deployment/{id}/stop/", "POST /deployment/{id}/heartbeat/"), nil},
		{56, "benchmarks", []string{"GET /benchmarks/"}, nil},
		{57, "market metrics", []string{"GET /metrics/gpu/current/", "GET /metrics/gpu/history/", "GET /metrics/gpu/locations/"}, nil},
		{58, "notifications and webhooks", append(crud("/webhooks/", "GET POST", "PUT DELETE"),
			"GET /notification-types/", "GET /users/{id}/notification-prefs/", "PUT /users/{id}/notification-prefs/",
			"POST /webhooks/{id}/rotate-secret/", "POST /webhooks/{id}/test/"), nil},
		{
			59, "two-factor",
			[]string{"GET /tfa/status/"},
			append(crud("/tfa/", "POST DELETE", ""), "POST /tfa/email/", "POST /tfa/sms/", "POST /tfa/sms/resend/", "POST /tfa/totp-setup/",
				"POST /tfa/authorize-new-method/", "PUT /tfa/authorize-new-method/", "POST /tfa/confirm-new/", "PUT /tfa/update/", "PUT /tfa/regen-backup-codes/"),
		},
	}
}

// crud are the routes of a collection, and of one of it.
func crud(path, all, one string) []string {
	var routes []string
	for method := range strings.FieldsSeq(all) {
		routes = append(routes, method+" "+path)
	}
	for method := range strings.FieldsSeq(one) {
		routes = append(routes, method+" "+path+"{id}/")
	}
	return routes
}
