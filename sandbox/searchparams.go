package sandbox

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// term is one condition of the client's query language, such as
// gpu_name in [RTX_4090,RTX_3090] or gpu_ram>=24.
var term = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9_]*)\s*(>=|<=|!=|==|=|>|<|\s(?:not in|notin|nin|in|neq|eq|gte|gt|lte|lt)\s)\s*(\[[^\]]*\]|"[^"]*"|'[^']*'|[^\s,]+)`)
})

// termOps are the API's words for the language's operators.
var termOps = map[string]string{
	"=": "eq", "==": "eq", "eq": "eq", "!=": "neq", "neq": "neq", ">": "gt", "gt": "gt", ">=": "gte", "gte": "gte",
	"<": "lt", "lt": "lt", "<=": "lte", "lte": "lte", "in": "in", "not in": "notin", "notin": "notin", "nin": "notin",
}

// termUnits are what the language's figures are multiplied by: GB and days.
var termUnits = map[string]float64{"cpu_ram": 1000, "gpu_ram": 1000, "gpu_total_ram": 1000, "duration": 86400}

// readSearchParams reads a workergroup's search_params, which are the query
// language in a string, or the object that it stands for.
func readSearchParams(raw json.RawMessage) (string, map[string]any, error) {
	var text string
	var query map[string]any
	if json.Unmarshal(raw, &text) == nil {
		query, err := parseTerms(text)
		return text, query, err
	}
	if json.Unmarshal(raw, &query) != nil {
		return "", nil, badQuery(inQuery + "search_params must be a string or an object")
	}
	return string(encode(query)), query, nil
}

func parseTerms(text string) (map[string]any, error) {
	query := map[string]any{}
	if rest := strings.Trim(term().ReplaceAllString(text, ""), " ,\t\n"); rest != "" {
		return nil, badQuery(fmt.Sprintf(inQuery+"can't read %q of search_params", rest))
	}
	for _, m := range term().FindAllStringSubmatch(text, -1) {
		name, op := m[1], termOps[strings.TrimSpace(m[2])]
		value := termValue(name, m[3])
		if value == "any" {
			delete(query, name)
			continue
		}
		merge(query, name, map[string]any{op: value})
	}
	return query, nil
}

// termValue is a flag, a figure in the API's unit, a list, or text.
func termValue(name, text string) any {
	if strings.HasPrefix(text, "[") {
		values := []any{}
		for item := range strings.SplitSeq(strings.Trim(text, "[]"), ",") {
			values = append(values, termValue(name, strings.TrimSpace(item)))
		}
		return values
	}
	text = strings.ReplaceAll(strings.Trim(text, `"'`), "_", " ")
	switch strings.ToLower(text) {
	case "true":
		return true
	case "false":
		return false
	}
	if unit, ok := termUnits[name]; ok {
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n * unit
		}
	}
	return text
}
