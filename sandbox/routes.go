package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// route is one operation of the API. To serve another one, add its row.
type route struct {
	method string
	path   string              // {x} stands for one segment
	op     string              // what faults call it
	opOf   func([]byte) string // the same, where the body decides
	access access
	writes bool // a good answer may have changed the market
	handle func(*tx) answer
}

// routes is every operation, noun by noun.
func routes() []route {
	return slices.Concat(offerRoutes(),
		bulkRoutes(), increaseRoutes(), reservationRoutes(), bidRoutes(), recreateRoutes(), commandRoutes(), copyRoutes(), jobRoutes(),
		instanceRoutes(), keyRoutes(), accountRoutes(), apiKeyRoutes(), auditRoutes(), envVarRoutes(), userRoutes(),
		templateRoutes(), volumeRoutes(), benchmarkRoutes(), teamRoutes(), invoiceRoutes(),
		endpointRoutes(), workergroupRoutes(), runtimeRoutes(), deploymentRoutes(),
		hostingRoutes(), metricsRoutes(), webhookRoutes(), notificationRoutes(), clusterRoutes())
}

func offerRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/api/v0/bundles/", op: "search", access: public, handle: (*tx).searchOffers},
		{method: http.MethodGet, path: "/api/v0/bundles/", op: "search", access: public, handle: (*tx).searchOffersByQuery},
		{method: http.MethodPut, path: "/api/v0/search/asks/", op: "search", access: inMisc, handle: (*tx).searchAsks},
		{method: http.MethodGet, path: "/api/v0/gpu_names/unique/", op: "gpu_names", access: public, handle: (*tx).listGPUNames},
		{method: http.MethodGet, path: "/api/v0/gpu_types/", op: "gpu_types", access: public, handle: (*tx).listGPUTypes},
	}
}

func instanceRoutes() []route {
	return []route{
		{method: http.MethodPut, path: "/api/v0/asks/{id}/", op: "create", access: inInstanceWrite, writes: true, handle: (*tx).create},
		{method: http.MethodGet, path: "/api/v1/instances/", op: "list", access: inInstanceRead, handle: (*tx).listInstances},
		{method: http.MethodGet, path: "/api/v0/instances/", op: "list", access: inInstanceRead, handle: (*tx).listInstancesV0},
		{method: http.MethodPut, path: "/api/v0/instances/", opOf: changeOp, access: inInstanceWrite, writes: true, handle: (*tx).changeInstances},
		{method: http.MethodDelete, path: "/api/v0/instances/", op: "destroy_many", access: inInstanceWrite, writes: true, handle: (*tx).destroyInstances},
		{method: http.MethodPut, path: "/api/v0/instances/reboot/{id}/", op: "reboot", access: inInstanceWrite, writes: true, handle: (*tx).rebootInstance},
		{method: http.MethodPut, path: "/api/v0/instances/request_logs/{id}/", op: "logs", access: inInstanceRead, handle: (*tx).requestLogs},
		{method: http.MethodGet, path: "/api/v0/instances/filters/", op: "list_filters", access: inInstanceRead, handle: (*tx).instanceFilters},
		{method: http.MethodGet, path: "/api/v0/instances/count/", op: "list_count", access: inInstanceRead, handle: (*tx).countInstances},
		{method: http.MethodGet, path: "/api/v0/instances/{id}/", op: "get", access: ownInstanceRead, handle: (*tx).getInstance},
		{method: http.MethodPut, path: "/api/v0/instances/{id}/", opOf: changeOp, access: ownInstanceWrite, writes: true, handle: (*tx).changeInstance},
		{method: http.MethodDelete, path: "/api/v0/instances/{id}/", op: "destroy", access: ownInstanceWrite, writes: true, handle: (*tx).destroyInstance},
	}
}

func keyRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/instances/{id}/ssh/", op: "ssh_on_instance", access: inInstanceRead, handle: (*tx).listInstanceKeys},
		{method: http.MethodPost, path: "/api/v0/instances/{id}/ssh/", op: "ssh_attach", access: inInstanceWrite, writes: true, handle: (*tx).attachKey},
		{method: http.MethodDelete, path: "/api/v0/instances/{id}/ssh/{key_id}/", op: "ssh_detach", access: inInstanceWrite, writes: true, handle: (*tx).detachKey},
		{method: http.MethodGet, path: "/api/v0/ssh/", op: "ssh_list", access: inUserRead, handle: (*tx).listKeys},
		{method: http.MethodPost, path: "/api/v0/ssh/", op: "ssh_add", access: inUserWrite, writes: true, handle: (*tx).addKey},
		{method: http.MethodPut, path: "/api/v0/ssh/{id}/", op: "ssh_update", access: inUserWrite, writes: true, handle: (*tx).updateKey},
		{method: http.MethodDelete, path: "/api/v0/ssh/{id}/", op: "ssh_delete", access: inUserWrite, writes: true, handle: (*tx).deleteKey},
	}
}

func accountRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/users/current/", op: "user", access: inUserRead, handle: (*tx).currentUser},
		{method: http.MethodGet, path: "/api/v0/charges/", op: "charges", access: inBillingRead, handle: (*tx).charges},
		{method: http.MethodGet, path: "/api/v0/template/", op: "templates", access: inUserRead, handle: (*tx).searchTemplates},
	}
}

// Operations returns what the market serves of the API, as
// "METHOD /path/{id}/".
func Operations() []string {
	var all []string
	for _, r := range routes() {
		all = append(all, r.method+" "+r.path)
	}
	return all
}

// changeOp tells start, stop and label apart, which share a path.
func changeOp(body []byte) string {
	var in struct {
		State string
		Label json.RawMessage
	}
	_ = json.Unmarshal(body, &in) // the handler says what is wrong with it
	switch {
	case in.Label != nil:
		return "label"
	case in.State == wantStopped:
		return "stop"
	default:
		return "start"
	}
}

// operation names the operation that a body asks of the route.
func (r route) operation(body []byte) string {
	if r.opOf != nil {
		return r.opOf(body)
	}
	return r.op
}

// match finds the route of a request, and the segments that stand for {x}.
func match(routes []route, method, path string) (route, []string, bool) {
	for _, r := range routes {
		if r.method != method {
			continue
		}
		if args, ok := fits(r.path, path); ok {
			return r, args, true
		}
	}
	return route{}, nil, false
}

func fits(pattern, path string) ([]string, bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	var args []string
	for i, segment := range want {
		switch {
		case strings.HasPrefix(segment, "{") && have[i] != "":
			args = append(args, have[i])
		case segment != have[i]:
			return nil, false
		}
	}
	return args, true
}
