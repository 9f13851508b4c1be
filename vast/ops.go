package vast

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Operation is one call of the API.
type Operation struct {
	// Name is how errors and logs call it.
	Name string
	// Method and Path are its place; {…} in the path stands for an id.
	Method, Path string
	// Repeatable: doing it twice does the same as doing it once, so it is
	// repeated when its answer is lost.
	Repeatable bool
	// Once: sent at most once whatever happens, on a connection of its own.
	Once bool
	// Changes: it changes the account, so a lost answer is Uncertain.
	Changes bool
	// Urgent: it ends what costs money, and so goes ahead of waiting calls,
	// as all calls of an urgent client do; see [Client.Urgent].
	Urgent bool
	// MinInterval is the gap that the API documents between two calls.
	MinInterval time.Duration
}

// Operations returns every operation that this client uses, in a fixed order.
func Operations() []Operation { return slices.Clone(operations[:]) }

type operation int

const (
	opSearchOffers operation = iota
	opGPUNames
	opCreate
	opListInstances
	opGetInstance
	opStart
	opStop
	opStopMany
	opLabel
	opDestroy
	opDestroyMany
	opReboot
	opRequestLogs
	opListKeys
	opAddKey
	opListInstanceKeys
	opAttachKey
	opDetachKey
	opCurrentUser
	opCharges
	opSearchTemplates
	opListVolumes
)

var operations = [...]Operation{
	opSearchOffers: {
		Name: "search offers", Method: http.MethodPost, Path: "/api/v0/bundles/",
		Repeatable: true, MinInterval: 6 * time.Second,
	},
	opGPUNames: {
		Name: "list gpu names", Method: http.MethodGet, Path: "/api/v0/gpu_names/unique/",
		Repeatable: true,
	},
	opCreate: {
		Name: "create instance", Method: http.MethodPut, Path: "/api/v0/asks/{id}/",
		Once: true, Changes: true, MinInterval: 4500 * time.Millisecond,
	},
	opListInstances: {
		Name: "list instances", Method: http.MethodGet, Path: "/api/v1/instances/",
		Repeatable: true, MinInterval: time.Second,
	},
	opGetInstance: {
		Name: "get instance", Method: http.MethodGet, Path: "/api/v0/instances/{id}/",
		Repeatable: true, MinInterval: 2 * time.Second,
	},
	opStart: {
		Name: "start instance", Method: http.MethodPut, Path: "/api/v0/instances/{id}/",
		Changes: true, MinInterval: time.Second,
	},
	opStop: {
		Name: "stop instance", Method: http.MethodPut, Path: "/api/v0/instances/{id}/",
		Repeatable: true, Changes: true, Urgent: true, MinInterval: time.Second,
	},
	opStopMany: {
		Name: "stop instances", Method: http.MethodPut, Path: "/api/v0/instances/",
		Repeatable: true, Changes: true, Urgent: true, MinInterval: 2 * time.Second,
	},
	opLabel: {
		Name: "label instance", Method: http.MethodPut, Path: "/api/v0/instances/{id}/",
		Repeatable: true, Changes: true, MinInterval: time.Second,
	},
	opDestroy: {
		Name: "destroy instance", Method: http.MethodDelete, Path: "/api/v0/instances/{id}/",
		Repeatable: true, Changes: true, Urgent: true, MinInterval: 3 * time.Second,
	},
	opDestroyMany: {
		Name: "destroy instances", Method: http.MethodDelete, Path: "/api/v0/instances/",
		Repeatable: true, Changes: true, Urgent: true,
	},
	opReboot: {
		Name: "reboot instance", Method: http.MethodPut, Path: "/api/v0/instances/reboot/{id}/",
		Changes: true, MinInterval: time.Second,
	},
	opRequestLogs: {
		Name: "request logs", Method: http.MethodPut, Path: "/api/v0/instances/request_logs/{id}/",
		Repeatable: true,
	},
	opListKeys: {
		Name: "list ssh keys", Method: http.MethodGet, Path: "/api/v0/ssh/",
		Repeatable: true,
	},
	opAddKey: {
		Name: "add ssh key", Method: http.MethodPost, Path: "/api/v0/ssh/",
		Changes: true, MinInterval: time.Second,
	},
	opListInstanceKeys: {
		Name: "list instance ssh keys", Method: http.MethodGet, Path: "/api/v0/instances/{id}/ssh/",
		Repeatable: true,
	},
	opAttachKey: {
		Name: "attach ssh key", Method: http.MethodPost, Path: "/api/v0/instances/{id}/ssh/",
		Repeatable: true, Changes: true,
	},
	opDetachKey: {
		Name: "detach ssh key", Method: http.MethodDelete, Path: "/api/v0/instances/{id}/ssh/{key_id}/",
		Repeatable: true, Changes: true, MinInterval: 2 * time.Second,
	},
	opCurrentUser: {
		Name: "get user", Method: http.MethodGet, Path: "/api/v0/users/current/",
		Repeatable: true,
	},
	opCharges: {
		Name: "list charges", Method: http.MethodGet, Path: "/api/v0/charges/",
		Repeatable: true, MinInterval: time.Second,
	},
	opSearchTemplates: {
		Name: "search templates", Method: http.MethodGet, Path: "/api/v0/template/",
		Repeatable: true, MinInterval: 3 * time.Second,
	},
	opListVolumes: {
		Name: "list volumes", Method: http.MethodGet, Path: "/api/v0/volumes/",
		Repeatable: true, MinInterval: 5500 * time.Millisecond,
	},
}

// at returns the path with its placeholders replaced by ids, in order.
func (o Operation) at(ids []int64) string {
	path := o.Path
	for _, id := range ids {
		before, rest, _ := strings.Cut(path, "{")
		_, after, _ := strings.Cut(rest, "}")
		path = before + strconv.FormatInt(id, 10) + after
	}
	return path
}

// endpoint is what the API counts a minimum interval by: start, stop and
// label share one.
func (o Operation) endpoint() string { return o.Method + " " + o.Path }
