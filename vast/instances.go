package vast

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// InstanceService rents, lists and changes instances.
type InstanceService service

// InstanceListOptions narrows a list. The zero value lists all, whole.
type InstanceListOptions struct {
	// Filter works on stored columns only, such as label, actual_status and
	// gpu_name; prices cannot be filtered on.
	Filter Filter
	// Columns are the fields to fetch; the id always comes with them.
	Columns []string
}

const instancePageSize = 25

// List returns the instances that o selects, by ascending id. It may miss
// some that come or go meanwhile; All proves that it did not.
func (s *InstanceService) List(ctx context.Context, o InstanceListOptions) iter.Seq2[Instance, error] {
	return rows(s.pages(ctx, o), func(p instancePage) []Instance { return p.instances })
}

// All returns every instance of the account, proven to be complete: the
// number of rows is the total that the API gives with the last page, and no
// id occurs twice. If that fails it reads once more, then it is Incomplete.
func (s *InstanceService) All(ctx context.Context) ([]Instance, error) {
	all, err := s.proven(ctx)
	if errors.Is(err, Incomplete) {
		all, err = s.proven(ctx)
	}
	return all, err
}

func (s *InstanceService) proven(ctx context.Context) ([]Instance, error) {
	incomplete := func(format string, args ...any) error {
		return &Error{Op: operations[opListInstances].Name, Code: Incomplete, Message: fmt.Sprintf(format, args...)}
	}
	all := []Instance{}
	total := -1
	for page, err := range s.pages(ctx, InstanceListOptions{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, page.instances...)
		total = page.total
	}
	if total != len(all) {
		return nil, incomplete("got %d instances, and the total that the API gave is %d", len(all), total)
	}
	slices.SortFunc(all, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
	for i := 1; i < len(all); i++ {
		if all[i].ID == all[i-1].ID {
			return nil, incomplete("instance %d is listed twice", all[i].ID)
		}
	}
	return all, nil
}

// instancePage is one page of the list. The total is -1 when the API did not
// give one.
type instancePage struct {
	instances []Instance
	total     int
}

func (s *InstanceService) pages(ctx context.Context, o InstanceListOptions) iter.Seq2[instancePage, error] {
	o.Columns = slices.Clone(o.Columns)
	return pages(opListInstances, func(token string) (instancePage, string, error) {
		query, wrong := o.query(token)
		if wrong != "" {
			return instancePage{}, "", invalid(opListInstances, wrong)
		}
		var out struct {
			Instances *list[instanceRow] `json:"instances"`
			Total     number             `json:"total_instances"`
			NextToken text               `json:"next_token"`
		}
		if err := s.c.do(ctx, opListInstances, request{query: query}, &out); err != nil {
			return instancePage{}, "", err
		}
		return s.page(out.Instances, out.Total, string(out.NextToken))
	})
}

func (s *InstanceService) page(listed *list[instanceRow], total number, next string) (instancePage, string, error) {
	if listed == nil {
		return instancePage{}, "", garbled(opListInstances, "no instances in the answer")
	}
	page := instancePage{total: -1}
	if total.known {
		page.total = total.int()
	}
	for _, row := range *listed {
		if row.ID <= 0 {
			return instancePage{}, "", garbled(opListInstances, "an instance without an id")
		}
		page.instances = append(page.instances, row.instance())
	}
	return page, next, nil
}

func (o InstanceListOptions) query(token string) (query url.Values, wrong string) {
	filter, wrong := o.Filter.text()
	if wrong != "" {
		return nil, wrong
	}
	query = url.Values{
		"limit":          {strconv.Itoa(instancePageSize)},
		"order_by":       {`[{"col":"id","dir":"asc"}]`},
		"select_filters": {filter},
	}
	if len(o.Columns) > 0 {
		columns := o.Columns
		if !slices.Contains(columns, "id") {
			columns = append([]string{"id"}, columns...)
		}
		names, err := json.Marshal(columns)
		if err != nil {
			return nil, err.Error()
		}
		query.Set("select_cols", string(names))
	}
	if token != "" {
		query.Set("after_token", token)
	}
	return query, ""
}

// Get returns one instance. One that does not exist, or no longer, is
// NotFound; one that was just created may not exist for some seconds.
func (s *InstanceService) Get(ctx context.Context, id InstanceID) (Instance, error) {
	var out struct {
		Instances json.RawMessage `json:"instances"`
	}
	err := s.c.do(ctx, opGetInstance, request{ids: []int64{int64(id)}, query: url.Values{"owner": {"me"}}}, &out)
	if err != nil {
		return Instance{}, err
	}
	var found list[instanceRow]
	if len(out.Instances) == 0 || json.Unmarshal(out.Instances, &found) != nil {
		return Instance{}, garbled(opGetInstance, s.c.quote(out.Instances))
	}
	if len(found) == 0 {
		return Instance{}, &Error{
			Op: operations[opGetInstance].Name, Code: NotFound, Status: http.StatusOK, Message: fmt.Sprintf("there is no instance %d", id),
		}
	}
	if InstanceID(found[0].ID) != id {
		return Instance{}, garbled(opGetInstance, "another instance came back")
	}
	return found[0].instance(), nil
}
