package sandbox

import (
	"slices"
	"time"
)

// serverless is all of a market that scales by itself.
type serverless struct {
	Endpoints   []*endpoint    `json:"endpoints,omitempty"`
	Groups      []*workergroup `json:"groups,omitempty"`
	Deployments []*deployment  `json:"deployments,omitempty"`
	Made        int64          `json:"made,omitempty"` // ids given so far
}

const firstServerless = 31_001

func (s *serverless) sound() bool {
	return s.Made >= 0 &&
		!slices.ContainsFunc(s.Endpoints, func(e *endpoint) bool { return e == nil || !e.sound() }) &&
		!slices.ContainsFunc(s.Groups, func(g *workergroup) bool { return g == nil || !g.sound() || s.endpoint(g.Endpoint) == nil }) &&
		!slices.ContainsFunc(s.Deployments, func(d *deployment) bool { return d == nil || !d.sound() || s.endpoint(d.Endpoint) == nil })
}

func (s *serverless) newID() int64 {
	s.Made++
	return firstServerless + s.Made - 1
}

func (s *serverless) endpoint(id int64) *endpoint {
	return firstOf(s.Endpoints, func(e *endpoint) bool { return e.ID == id })
}

func (s *serverless) endpointNamed(name string) *endpoint {
	return firstOf(s.Endpoints, func(e *endpoint) bool { return e.Name == name })
}

func (s *serverless) group(id int64) *workergroup {
	return firstOf(s.Groups, func(g *workergroup) bool { return g.ID == id })
}

func (s *serverless) groupsOf(endpoint int64) []*workergroup {
	var groups []*workergroup
	for _, g := range s.Groups {
		if g.Endpoint == endpoint {
			groups = append(groups, g)
		}
	}
	return groups
}

// firstOf is the first that fits; nil without one.
func firstOf[T any](all []*T, fits func(*T) bool) *T {
	if i := slices.IndexFunc(all, fits); i >= 0 {
		return all[i]
	}
	return nil
}

// lapse is something that time alone does to what scales by itself.
type lapse interface{ lapse(*state, time.Time) }

// nextLapse is the earliest of them; nil where nothing is to come.
func (s *serverless) nextLapse() (time.Time, lapse) {
	var next time.Time
	var who lapse
	consider := func(at time.Time, by lapse) {
		if who == nil || at.Before(next) {
			next, who = at, by
		}
	}
	for _, e := range s.Endpoints {
		for _, d := range e.Demands {
			consider(d.At.Add(loadWindow), e)
		}
		if timeout := e.Scaling.timeout(); timeout > 0 && !e.Idle {
			consider(e.Last.Add(timeout), e)
		}
	}
	for _, d := range s.Deployments {
		if d.TTL > 0 {
			consider(d.expires(), d)
		}
	}
	return next, who
}

// lapse forgets requests that don't count any more, and finds out that
// nothing was asked for long enough.
func (e *endpoint) lapse(st *state, at time.Time) {
	e.Demands = slices.DeleteFunc(e.Demands, func(d demand) bool { return !at.Before(d.At.Add(loadWindow)) })
	if timeout := e.Scaling.timeout(); timeout > 0 && !at.Before(e.Last.Add(timeout)) {
		e.Idle = true
	}
	groups := st.Serverless.groupsOf(e.ID)
	for _, g := range groups {
		st.settle(g, g.target(e, len(groups), at), at)
	}
}

// dropEndpoint deletes an endpoint with everything behind it, and tells which
// workers went.
func (st *state) dropEndpoint(e *endpoint, at time.Time) []int64 {
	s := &st.Serverless
	gone := []int64{}
	for _, g := range s.groupsOf(e.ID) {
		gone = append(gone, st.dropGroup(g, at)...)
	}
	s.Deployments = slices.DeleteFunc(s.Deployments, func(d *deployment) bool { return d.Endpoint == e.ID })
	s.Endpoints = slices.DeleteFunc(s.Endpoints, func(o *endpoint) bool { return o == e })
	return gone
}

func (st *state) dropGroup(g *workergroup, at time.Time) []int64 {
	gone := []int64{}
	for _, w := range g.Workers {
		if c := st.contract(w.ID); c != nil {
			st.destroy(c, at)
			gone = append(gone, w.ID)
		}
	}
	st.Serverless.Groups = slices.DeleteFunc(st.Serverless.Groups, func(o *workergroup) bool { return o == g })
	return gone
}
