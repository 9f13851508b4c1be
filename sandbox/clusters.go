package sandbox

import "net/http"

// clusterRoutes tell of the clusters and overlays that the market hasn't.
func clusterRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/clusters/", op: "clusters", access: inUserRead, handle: func(*tx) answer {
			return reply(map[string]any{"clusters": struct{}{}})
		}},
		{method: http.MethodGet, path: "/api/v0/overlay/", op: "overlays", access: inUserRead, handle: func(*tx) answer {
			return reply([]struct{}{})
		}},
	}
}
